package main

import (
	"fmt"
	"runtime/debug"
)

type versionCommand struct{}

func (versionCommand) Run(e environment) error {
	fmt.Fprintln(e.stdout, "signboard", version())
	return nil
}

// version comes from the build's own information: the module's version when it
// was installed as one, the commit otherwise.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	revision, modified := "", ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				modified = "+changes"
			}
		}
	}
	if len(revision) >= 12 {
		return "devel-" + revision[:12] + modified
	}
	return "devel"
}
