package main

import (
	"fmt"
	"os"
	"os/user"

	"signboard/inventory"
)

type keyCommand struct {
	Add keyAddCommand `cmd:"" help:"Register a public key as a candidate signer. It counts for nothing until a reviewer approves it."`
}

type keyAddCommand struct {
	Config string `help:"The configuration file, - for standard input." default:"signboard.yaml" placeholder:"FILE"`
	Name   string `help:"What people call the key." required:""`
	File   string `arg:"" help:"The public key in PEM form, such as cosign.pub."`
}

// Run registers the key.
func (c keyAddCommand) Run(e environment) error {
	pem, err := os.ReadFile(c.File)
	if err != nil {
		return inventory.Errorf(inventory.Invalid, "The public key can't be read: %v", err)
	}
	config, err := loadConfig(c.Config, e.stdin)
	if err != nil {
		return err
	}
	a, err := open(e.ctx, config, e.log)
	if err != nil {
		return err
	}
	defer a.close()
	s, err := a.registerKey(e.ctx, operator(), c.Name, pem)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "registered %q\n  %s\n  standing: pending. Approve it at %s%s\n", s.Name, s.ID, config.BaseURL, s.ID.Path())
	return nil
}

// operator is whoever runs a command on the machine that holds the database,
// by the name of their account there.
func operator() inventory.Actor {
	name := "somebody at the command line"
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username + " at the command line"
	}
	return inventory.Actor{Kind: inventory.SystemActor, Name: name, Subject: "cli|" + name, Role: inventory.Admin}
}
