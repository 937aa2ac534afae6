//go:build peers

package peers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// keys are the keys that cosign signs with, each under the name of its kind,
// and one that nobody registers.
type keys struct {
	dir string
	ids map[string]string // signer ids by name
}

// kinds of keys; "unknown" is one more, which isn't registered.
var kinds = []string{"ecdsa-p256", "ecdsa-p384", "rsa", "ed25519"}

func (w *world) makeKeys(ctx context.Context) error {
	k := &keys{dir: filepath.Join(w.dir, "keys"), ids: map[string]string{}}
	w.keys = k
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return err
	}
	for _, name := range append([]string{"unknown", "late"}, kinds...) {
		kind := name
		if kind == "unknown" || kind == "late" {
			kind = "ecdsa-p256"
		}
		key, err := newKey(kind)
		if err != nil {
			return err
		}
		if err := writeKey(k.dir, name, key); err != nil {
			return err
		}
		der, err := readPEM(filepath.Join(k.dir, name+".pub"))
		if err != nil {
			return err
		}
		k.ids[name] = "key:sha256:" + fingerprint(der)
		o, err := run(ctx, w.dir, []string{"COSIGN_PASSWORD=" + password}, w.bin["cosign3"],
			"import-key-pair", "--key", filepath.Join(k.dir, name+".key"), "--output-key-prefix", filepath.Join(k.dir, "cosign-"+name))
		if err != nil || o.code != 0 {
			return fmt.Errorf("%s: %v\n%s", o.command, err, o.output)
		}
	}
	return nil
}

func (k *keys) private(name string) string { return filepath.Join(k.dir, "cosign-"+name+".key") }
func (k *keys) public(name string) string  { return filepath.Join(k.dir, name+".pub") }
