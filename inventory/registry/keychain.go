package registry

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"signboard/inventory"
)

// ambient are the credentials that nobody wrote into our configuration: those of
// Docker's or Podman's files and their helpers, and where there are none, what a
// cloud gives to whoever runs in it. A helper is another program: it may hang,
// and is waited for no longer than for a registry. The one that hangs isn't
// started a second time.
func (a *auth) ambient(ctx context.Context) (authn.Authenticator, error) {
	host := a.client.origin.Host
	bounded, cancel := context.WithTimeout(ctx, a.client.limits.RequestTimeout)
	defer cancel()
	made := a.helpers.DoChan("", func() (any, error) {
		found, err := dockerCredentials(a.resource)
		if err == nil && found == authn.Anonymous {
			if cloud := cloudKeychain(host); cloud != nil {
				// Not the caller's context: others may wait for the same.
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.client.limits.RequestTimeout)
				defer cancel()
				found, err = cloud(ctx, a.resource)
			}
		}
		return found, err
	})
	select {
	case r := <-made:
		if r.Err != nil {
			return nil, look(inventory.ReasonRegistryDenied, r.Err,
				"The Docker credentials for %s can't be read: check config.json in DOCKER_CONFIG, and the credential helper it names.", host)
		}
		return r.Val.(authn.Authenticator), nil
	case <-bounded.Done():
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, look(inventory.ReasonRegistryDenied, bounded.Err(),
			"The credential helper for %s did not answer within %s: check the one that config.json in DOCKER_CONFIG names.", host, a.client.limits.RequestTimeout)
	}
}

// dockerCredentials does what go-containerregistry's default keychain does, which
// can't be used here: it lets one helper run at a time in the whole process, so
// that one which hangs would hold up every registry.
func dockerCredentials(target authn.Resource) (authn.Authenticator, error) {
	file, err := dockerConfig()
	if err != nil || file == nil {
		return authn.Anonymous, err
	}
	key := target.RegistryStr()
	if key == name.DefaultRegistry {
		key = authn.DefaultAuthKey
	}
	found, err := file.GetAuthConfig(key)
	if err != nil {
		return nil, helperProblem(err)
	}
	found.ServerAddress = ""
	if found == (types.AuthConfig{}) {
		return authn.Anonymous, nil
	}
	return authn.FromConfig(authn.AuthConfig{
		Username: found.Username, Password: found.Password, Auth: found.Auth,
		IdentityToken: found.IdentityToken, RegistryToken: found.RegistryToken,
	}), nil
}

// dockerConfig is Docker's config.json, else Podman's auth.json (containers-auth.json(5)),
// nil when there is neither.
func dockerConfig() (*configfile.ConfigFile, error) {
	home, _ := os.UserHomeDir() // a service may have none
	docker := os.Getenv("DOCKER_CONFIG")
	if docker == "" && home != "" {
		docker = filepath.Join(home, ".docker")
	}
	var files []string
	if docker != "" {
		files = append(files, filepath.Join(docker, config.ConfigFileName))
	}
	if file := os.Getenv("REGISTRY_AUTH_FILE"); file != "" {
		files = append(files, file)
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		files = append(files, filepath.Join(dir, "containers/auth.json"))
	}
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		files = append(files, filepath.Join(dir, "containers/auth.json"))
	} else if home != "" {
		files = append(files, filepath.Join(home, ".config/containers/auth.json"))
	}
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.IsDir() {
			continue
		}
		f, err := os.Open(file)
		if err != nil {
			return nil, unreadable(file, err)
		}
		defer f.Close()
		read, err := config.LoadFromReader(f)
		if err != nil {
			return nil, errors.New(file + " isn't JSON as Docker writes it")
		}
		read.Filename = file
		return read, nil
	}
	return nil, nil
}

var helperName = regexp.MustCompile(`docker-credential-[A-Za-z0-9._-]+`)

// helperProblem says what is wrong with a helper without what the helper said:
// that may be what it was asked for, put out in a form that can't be read.
func helperProblem(err error) error {
	if found := helperName.FindString(err.Error()); found != "" {
		if _, missing := exec.LookPath(found); missing != nil {
			return errors.New(found + " isn't installed where PATH leads")
		}
	}
	return errors.New("the credential helper failed, or its answer can't be read")
}
