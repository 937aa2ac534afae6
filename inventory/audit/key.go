package audit

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"signboard/inventory"
)

// Key signs checkpoints: Ed25519, in the text form of golang.org/x/mod/sumdb/note.
type Key struct {
	signer note.Signer
	public string
}

// Name is the log's name, the origin of its checkpoints.
func (k Key) Name() string { return k.signer.Name() }

// Public is the public key, as name+hash+key: it checks checkpoints and signs
// none.
func (k Key) Public() string { return k.public }

// Sign signs a checkpoint of the log of this key.
func (k Key) Sign(c Checkpoint) ([]byte, error) {
	c.Origin = k.Name()
	signed, err := note.Sign(&note.Note{Text: c.text()}, k.signer)
	if err != nil {
		return nil, fmt.Errorf("signing the checkpoint of %d entries: %w", c.Size, err)
	}
	return signed, nil
}

// Fingerprint tells texts apart without saying what they are: only who has the key
// can try whether one is a guess. It is for secrets, of which only a change is to be
// known.
func (k Key) Fingerprint(text string) (string, error) {
	signed, err := k.signer.Sign([]byte("signboard audit fingerprint\x00" + text)) // deterministic (RFC 8032)
	if err != nil {
		return "", fmt.Errorf("taking a fingerprint: %w", err)
	}
	sum := sha256.Sum256(signed)
	return hex.EncodeToString(sum[:12]), nil
}

// Keys accepts what the public keys, in the form of Key.Public, signed.
func Keys(public ...string) (note.Verifiers, error) {
	var list []note.Verifier
	for _, p := range public {
		v, err := note.NewVerifier(strings.TrimSpace(p))
		if err != nil {
			return nil, inventory.Errorf(inventory.Invalid, "%q is not the public key of an audit log: expected NAME+HASH+KEY, as the audit page shows it.", inventory.Visible(p))
		}
		list = append(list, v)
	}
	return note.VerifierList(list...), nil
}

// ReadKey reads the key in a file. It is refused when others on the machine may
// read it, since they could sign a log of their own making.
func ReadKey(file string) (Key, error) {
	info, err := os.Stat(file)
	if err != nil {
		return Key{}, fmt.Errorf("reading the audit log's key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o027 != 0 {
		return Key{}, inventory.Errorf(inventory.Invalid, "The audit log's key %s can be read or changed by others on this machine (its mode is %#o): chmod 600 it.", file, mode)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return Key{}, fmt.Errorf("reading the audit log's key: %w", err)
	}
	private, public, _ := strings.Cut(strings.TrimSpace(string(raw)), "\n")
	signer, err := note.NewSigner(private)
	if err != nil {
		return Key{}, inventory.Errorf(inventory.Invalid, "%s doesn't hold an audit log's key. Put back the one from before, or name another file with audit.key_file.", file)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil || verifier.Name() != signer.Name() || verifier.KeyHash() != signer.KeyHash() {
		return Key{}, inventory.Errorf(inventory.Invalid, "%s holds an audit log's key without the public key that belongs to it. Put back the file from before.", file)
	}
	return Key{signer, public}, nil
}

// MakeKey makes a new key under the name of a log, and a file that only its
// owner may read. A file that is there already is left alone, and is the error
// fs.ErrExist.
func MakeKey(file, name string) (Key, error) {
	private, public, err := note.GenerateKey(rand.Reader, strings.NewReplacer("+", "-", " ", "-").Replace(name))
	if err != nil {
		return Key{}, fmt.Errorf("making the audit log's key: %w", err)
	}
	if err := place(file, private+"\n"+public+"\n"); err != nil {
		return Key{}, fmt.Errorf("keeping the audit log's key in %s: %w", file, err)
	}
	return ReadKey(file)
}

// OpenKey reads the key in a file, and makes it when there is none; made says
// that it did.
func OpenKey(file, name string) (key Key, made bool, err error) {
	if key, err = ReadKey(file); !errors.Is(err, fs.ErrNotExist) {
		return key, false, err
	}
	if key, err = MakeKey(file, name); errors.Is(err, fs.ErrExist) {
		key, err = ReadKey(file) // somebody else made it meanwhile
		return key, false, err
	}
	return key, err == nil, err
}

// place writes a file as a whole or not at all, and never over another.
func place(file, text string) error {
	temporary, err := os.CreateTemp(filepath.Dir(file), ".audit-key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	if _, err = temporary.WriteString(text); err == nil {
		err = temporary.Sync()
	}
	if err := errors.Join(err, temporary.Close()); err != nil {
		return err
	}
	// A link, unlike a rename, never replaces a file; not every disk has them.
	if err = os.Link(temporary.Name(), file); err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	made, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = made.WriteString(text)
	return errors.Join(err, made.Close())
}
