//go:build peers

package peers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// registry is one of the registries that images are signed on.
type registry struct {
	name      string
	host      string
	referrers bool // it has the referrers API
	docker    bool // it takes manifests of the Docker kind
	catalog   bool // it lists its repositories
	service   *service
}

func (w *world) startRegistries(ctx context.Context) error {
	for _, name := range []string{"distribution", "olareg", "zot"} {
		r, err := w.newRegistry(filepath.Join(w.dir, name), name)
		if err != nil {
			return err
		}
		w.registries = append(w.registries, r)
		if err := w.start(ctx, r.service); err != nil {
			return err
		}
	}
	return nil
}

// newRegistry sets up a registry of a kind, on a port and in a folder of its
// own. It isn't started yet; what it holds outlives its process.
func (w *world) newRegistry(data, kind string) (*registry, error) {
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	r := &registry{name: kind, host: local(ports[0]), referrers: kind != "distribution", docker: kind != "zot", catalog: kind != "olareg"}
	r.service = &service{name: kind, path: w.bin[kind], ready: answers("http://" + r.host + "/v2/")}
	config := data + ".json" // YAML is JSON enough for distribution
	text := ""
	switch kind {
	case "distribution":
		text = fmt.Sprintf(`{"version":"0.1","log":{"level":"warn"},"storage":{"filesystem":{"rootdirectory":%q},"delete":{"enabled":true}},"http":{"addr":%q,"secret":"peers"}}`, data, r.host)
		r.service.args = []string{"serve", config}
	case "zot":
		text = fmt.Sprintf(`{"distSpecVersion":"1.1.1","storage":{"rootDirectory":%q},"http":{"address":"127.0.0.1","port":"%d"},"log":{"level":"error"}}`, data, ports[0])
		r.service.args = []string{"serve", config}
	case "olareg":
		r.service.args = []string{"serve", "--addr", "127.0.0.1", "--port", fmt.Sprint(ports[0]), "--dir", data, "--api-delete"}
	default:
		return nil, fmt.Errorf("no such kind of registry: %s", kind)
	}
	return r, os.WriteFile(config, []byte(text), 0o600)
}
