package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"signboard/inventory"
	"signboard/inventory/audit"
	"signboard/inventory/registry"
)

// AuditWebhookConfig is where each new checkpoint is sent to.
type AuditWebhookConfig struct {
	URL          string `koanf:"url"`
	Secret       string `koanf:"secret"`
	AllowPrivate bool   `koanf:"allow_private"`
	CA           string `koanf:"ca"`
}

// AuditRegistryConfig is the repository that each new checkpoint is pushed to.
type AuditRegistryConfig struct {
	Name       string `koanf:"name"` // of a configured registry, whose credentials are used
	Repository string `koanf:"repository"`
}

// check refuses what can't be published to.
func (a AuditConfig) check(registries []RegistryConfig) error {
	if _, err := audit.Keys(a.PreviousKeys...); err != nil {
		return fmt.Errorf("audit.previous_keys: %v", err)
	}
	if w := a.Webhook; w != nil {
		u, err := url.Parse(w.URL)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.Fragment != "" {
			return fmt.Errorf("audit.webhook.url: expected the address that checkpoints are sent to, as https://witness.example.com/checkpoints")
		}
		if len(w.Secret) < 16 {
			return errors.New("audit.webhook.secret: expected at least 16 characters that both sides know, or secret_file; without it nobody can tell who sent a checkpoint")
		}
		if _, err := w.key(); err != nil {
			return err
		}
		if w.CA != "" {
			if _, err := registry.ReadCA(w.CA); err != nil {
				return fmt.Errorf("audit.webhook.ca: %v", err)
			}
		}
	}
	if r := a.Registry; r != nil {
		if !slices.ContainsFunc(registries, func(c RegistryConfig) bool { return c.Name == r.Name }) {
			return fmt.Errorf("audit.registry.name: expected the name of one of registries, found %q", r.Name)
		}
		if !inventory.ValidRepository(r.Repository) {
			return fmt.Errorf("audit.registry.repository: expected a repository of it, as audit/checkpoints, found %q", r.Repository)
		}
	}
	return nil
}

// key is the secret's bytes (Standard Webhooks, "Signature scheme"): whsec_ and
// base64, or the text itself.
func (w AuditWebhookConfig) key() ([]byte, error) {
	encoded, ok := strings.CutPrefix(w.Secret, "whsec_")
	if !ok {
		return []byte(w.Secret), nil
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) < 16 {
		return nil, errors.New("audit.webhook.secret: expected base64 of at least 16 bytes behind whsec_")
	}
	return key, nil
}

// published is the checkpoint in the file, nil when nothing was published yet.
func (c AuditConfig) published() ([]byte, error) {
	if c.CheckpointFile == "" {
		return nil, nil
	}
	signed, err := os.ReadFile(c.CheckpointFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, inventory.Errorf(inventory.Invalid, "audit.checkpoint_file: the file can't be read: %v", err)
	}
	return signed, nil
}

// place is somewhere that checkpoints are published.
type place interface {
	// latest is the checkpoint that is there, nil when there is none or when it
	// can't be told.
	latest(ctx context.Context) ([]byte, error)
	put(ctx context.Context, signed []byte, size int64) error
}

// How a new checkpoint is looked for, and tried again that could not be published.
const (
	publishing      = 2 * time.Second
	publishPatience = 30 * time.Second
	publishSlowest  = 5 * time.Minute
)

// publisher keeps the latest checkpoint in one place.
type publisher struct {
	place place
	kind  string // file, webhook or registry
	where string // for a person, without secrets

	mu    sync.Mutex
	there []byte // what was put there last
	state inventory.AuditPublication
}

// publishers are those that the configuration asks for.
func (a *app) publishers() ([]*publisher, error) {
	var list []*publisher
	add := func(kind, where string, p place) {
		list = append(list, &publisher{place: p, kind: kind, where: where, state: inventory.AuditPublication{Where: where}})
	}
	c := a.config.Audit
	if c.CheckpointFile != "" {
		add("file", c.CheckpointFile, checkpointFile{c})
	}
	if w := c.Webhook; w != nil {
		u, err := url.Parse(w.URL)
		if err != nil {
			return nil, err
		}
		u.RawQuery = "" // it may hold a secret
		key, err := w.key()
		if err != nil {
			return nil, err
		}
		outside := registry.Outside{AllowPrivate: w.AllowPrivate, UserAgent: userAgent(), Timeout: publishPatience, MaxBytes: 1 << 20}
		if w.CA != "" {
			if outside.RootCAs, err = registry.ReadCA(w.CA); err != nil {
				return nil, err
			}
		}
		client := registry.NewOutsideClient(outside)
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // a checkpoint is for one receiver
		add("webhook", u.String(), &webhook{url: w.URL, key: key, client: client})
	}
	if r := c.Registry; r != nil {
		for i, configured := range a.config.Registries {
			if configured.Name == r.Name {
				add("registry", r.Name+"/"+r.Repository, noteRepository{a.peers[i], r.Repository})
			}
		}
	}
	return list, nil
}

// publish keeps every place up to date until ctx ends: each on its own, so that one
// that doesn't answer keeps none of the others waiting, and no decision at all.
func (a *app) publish(ctx context.Context) {
	var group sync.WaitGroup
	for _, p := range a.published {
		group.Go(func() { a.keepPublished(ctx, p) })
	}
	group.Wait()
}

func (a *app) keepPublished(ctx context.Context, p *publisher) {
	wait := publishing
	for {
		// What was decided while the program was told to end is published, too.
		once, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishPatience)
		err := a.publishOnce(once, p)
		cancel()
		if p.note(err, time.Now()) {
			a.log.Warn("the audit log's checkpoint could not be published, will try again", "where", p.where, "error", err)
		}
		if wait = publishing; err != nil {
			wait = p.pause()
		}
		if ctx.Err() != nil {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// note keeps what came of a try, and reports whether a problem is new.
func (p *publisher) note(err error, now time.Time) (isNew bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.state.Problem, p.state.Since = "", nil
		return false
	}
	isNew = p.state.Problem == ""
	if isNew {
		p.state.Since = &now
	}
	p.state.Problem = "It can't be reached."
	if e, ok := errors.AsType[*inventory.Error](err); ok {
		p.state.Problem = e.Message
	} else if e, ok := errors.AsType[*inventory.LookError](err); ok {
		p.state.Problem = e.Message
	} else if errors.Is(err, fs.ErrPermission) {
		p.state.Problem = "The file can't be written."
	}
	return isNew
}

// pause is how long to wait after a failure: a tenth of how long it has failed.
func (p *publisher) pause() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state.Since == nil {
		return publishing
	}
	return min(max(time.Since(*p.state.Since)/10, publishing), publishSlowest)
}

func (p *publisher) shown() inventory.AuditPublication {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

// publishOnce brings the latest checkpoint to a place, unless that holds a later
// one, which another process put there. What is there is written over only by a
// checkpoint that extends it: a log that was exchanged would otherwise replace
// the evidence of itself.
func (a *app) publishOnce(ctx context.Context, p *publisher) error {
	signed, err := a.store.Checkpoint(ctx)
	if err != nil {
		return err
	}
	p.mu.Lock()
	same := bytes.Equal(p.there, signed)
	p.mu.Unlock()
	if same {
		return nil
	}
	ours, err := audit.OpenCheckpoint(signed, a.auditKeys)
	if err != nil {
		return err
	}
	there, err := p.place.latest(ctx)
	if err != nil {
		return err
	}
	size := ours.Size
	if there != nil && !bytes.Equal(there, signed) {
		theirs, err := audit.OpenCheckpoint(there, a.auditKeys)
		if err != nil {
			return inventory.Errorf(inventory.Conflict, "What is there isn't a checkpoint of this log. It is left alone: move it away when you know whose it is.")
		}
		if err := a.store.Continues(ctx, theirs); err != nil {
			return err
		}
		if theirs.Size > size { // it was there before we looked at the log the second time
			signed, size = there, theirs.Size
		}
	}
	if !bytes.Equal(there, signed) {
		if err := p.place.put(ctx, signed, size); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.there, p.state.Size, p.state.At = signed, size, &now
	return nil
}

// checkpointFile is the place that audit.checkpoint_file names.
type checkpointFile struct{ config AuditConfig }

func (f checkpointFile) latest(context.Context) ([]byte, error) { return f.config.published() }

func (f checkpointFile) put(_ context.Context, signed []byte, _ int64) error {
	file := f.config.CheckpointFile
	temporary, err := os.CreateTemp(filepath.Dir(file), ".checkpoint-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(signed)
	if err := errors.Join(err, temporary.Chmod(0o644), temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), file)
}

// noteRepository is the place that audit.registry names.
type noteRepository struct {
	client     *registry.Client
	repository string
}

func (n noteRepository) latest(ctx context.Context) ([]byte, error) {
	return n.client.Note(ctx, n.repository, "latest")
}

func (n noteRepository) put(ctx context.Context, signed []byte, size int64) error {
	return n.client.PutNote(ctx, n.repository, signed, "size-"+strconv.FormatInt(size, 10), "latest")
}

// webhook is the place that audit.webhook names. Its messages follow Standard
// Webhooks: whoever has the secret can tell that they came from here, and that one
// was repeated.
type webhook struct {
	url    string
	key    []byte
	client *http.Client

	mu   sync.Mutex
	sent []byte // what it took last
}

func (w *webhook) latest(context.Context) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent, nil
}

func (w *webhook) put(ctx context.Context, signed []byte, size int64) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(signed))
	if err != nil {
		return err
	}
	id, at := "checkpoint-"+strconv.FormatInt(size, 10), strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, w.key)
	fmt.Fprintf(mac, "%s.%s.%s", id, at, signed)
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	r.Header.Set("Webhook-Id", id)
	r.Header.Set("Webhook-Timestamp", at)
	r.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	answer, err := w.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return inventory.Errorf(inventory.Unavailable, "It answers with status %d.", answer.StatusCode)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = bytes.Clone(signed)
	return nil
}
