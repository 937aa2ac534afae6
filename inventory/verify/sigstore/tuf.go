package sigstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/tuf"
	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"

	"signboard/inventory"
)

// target is the name under which Sigstore's TUF repositories publish it.
const target = "trusted_root.json"

// fetch walks a TUF repository as the specification's client does (section 5)
// and reads the trusted root out of it. kept is what was found before, nil at
// first; what is older than that is refused. go-tuf would remember it in files;
// here it is kept with the copy, so that all processes remember the same, on
// machines that let them write none.
func fetch(ctx context.Context, s Source, kept *held, now time.Time) (_ *held, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic while reading %s: %v", s.TUF, r)
		}
	}()
	root, err := startingRoot(s, kept)
	if err != nil {
		return nil, err
	}
	c, err := config.New(s.TUF, root)
	if err != nil {
		return nil, fmt.Errorf("the address %s: %w", s.TUF, err)
	}
	c.Fetcher = fetcher{ctx: ctx, client: s.Client}
	c.DisableLocalCache = true
	// go-tuf looks for files even so. Nothing can be in here.
	c.LocalMetadataDir = filepath.Join(os.DevNull, "none")
	c.LocalTargetsDir = c.LocalMetadataDir
	up, err := updater.New(c)
	if err != nil {
		return nil, fmt.Errorf("beginning with the root metadata: %w", err)
	}
	up.UnsafeSetRefTime(now.UTC()) // one moment for the whole refresh
	if err := up.Refresh(); err != nil {
		return nil, fmt.Errorf("reading the metadata: %w", err)
	}
	found := up.GetTrustedMetadataSet()
	if err := notOlder(kept, found, now); err != nil {
		return nil, err
	}
	info, err := up.GetTargetInfo(target)
	if err != nil {
		return nil, fmt.Errorf("looking for %s: %w", target, err)
	}
	_, raw, err := up.DownloadTarget(info, "", "")
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", target, err)
	}
	h := &held{
		Version: heldVersion, Repository: s.TUF, Anchor: s.anchor(), TrustedRoot: raw, RootVersion: found.Root.Signed.Version,
		Expires: slices.MinFunc([]time.Time{
			found.Root.Signed.Expires, found.Timestamp.Signed.Expires, found.Snapshot.Signed.Expires,
			found.Targets[metadata.TARGETS].Signed.Expires,
		}, time.Time.Compare),
	}
	var rootErr, timestampErr, snapshotErr error
	h.Root, rootErr = found.Root.ToBytes(false)
	h.Timestamp, timestampErr = found.Timestamp.ToBytes(false)
	h.Snapshot, snapshotErr = found.Snapshot.ToBytes(false)
	return h, errors.Join(rootErr, timestampErr, snapshotErr)
}

// startingRoot is the newest root metadata that is trusted already: what the
// walk ended at last time, or what it began with where that is newer.
func startingRoot(s Source, kept *held) ([]byte, error) {
	root := s.TUFRoot
	if len(root) == 0 {
		root = tuf.DefaultRoot()
	}
	m, err := metadata.Root().FromBytes(root)
	if err != nil {
		return nil, fmt.Errorf("the root metadata to begin with: %w", err)
	}
	if kept != nil && kept.RootVersion > m.Signed.Version {
		return kept.Root, nil
	}
	return root, nil
}

// CheckTUFRoot reports whether raw is TUF root metadata that is signed by itself,
// so that a repository can be read beginning with it. That it ran out is no
// matter (TUF specification, section 5.3.10).
func CheckTUFRoot(raw []byte) error {
	if _, err := trustedmetadata.New(raw); err != nil {
		return errors.New(cause(err))
	}
	return nil
}

// notOlder refuses metadata that is older than what was seen before, with
// go-tuf's own rules (TUF specification, sections 5.4.3 and 5.5.5). Metadata
// that the present root doesn't vouch for any more says nothing: its keys were
// replaced (section 5.3.11).
func notOlder(kept *held, found trustedmetadata.TrustedMetadata, now time.Time) error {
	if kept == nil {
		return nil
	}
	root, err := found.Root.ToBytes(false)
	if err != nil {
		return err
	}
	timestamp, err := found.Timestamp.ToBytes(false)
	if err != nil {
		return err
	}
	snapshot, err := found.Snapshot.ToBytes(false)
	if err != nil {
		return err
	}
	t, err := trustedmetadata.New(root)
	if err != nil {
		return err
	}
	t.RefTime = now.UTC()
	// One that ran out is an error too, and is remembered all the same.
	_, _ = t.UpdateTimestamp(kept.Timestamp)
	if _, err := t.UpdateTimestamp(timestamp); err != nil && !errors.Is(err, &metadata.ErrEqualVersionNumber{}) {
		return fmt.Errorf("the timestamp: %w", err)
	}
	_, _ = t.UpdateSnapshot(kept.Snapshot, true)
	if _, err := t.UpdateSnapshot(snapshot, true); err != nil {
		return fmt.Errorf("the snapshot: %w", err)
	}
	return nil
}

// fetcher is go-tuf's, over a guarded client and within one refresh's time.
type fetcher struct {
	ctx    context.Context // go-tuf's interface has no room for one
	client *http.Client
}

// DownloadFile reads at most max bytes; more is an error.
func (f fetcher) DownloadFile(address string, max int64, _ time.Duration) ([]byte, error) {
	max = min(max, maxRoot)
	request, err := http.NewRequestWithContext(f.ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := f.client.Do(request)
	if err != nil {
		return nil, unread(err)
	}
	defer response.Body.Close()
	if status := response.StatusCode; status != http.StatusOK {
		if status == http.StatusForbidden && strings.HasSuffix(address, ".root.json") {
			// What storage services answer for a file that isn't there. Whoever could
			// hide the next root metadata behind it could as well say 404.
			status = http.StatusNotFound
		}
		return nil, &metadata.ErrDownloadHTTP{StatusCode: status, URL: address}
	}
	raw, err := io.ReadAll(io.LimitReader(response.Body, max+1))
	if err != nil {
		return nil, unread(err)
	}
	if int64(len(raw)) > max {
		return nil, &metadata.ErrDownloadLengthMismatch{Msg: fmt.Sprintf("%s is longer than %d bytes", address, max)}
	}
	return raw, nil
}

// unread says that an answer didn't come, or not to its end.
func unread(err error) error {
	if _, ok := errors.AsType[*inventory.LookError](err); ok {
		return err // the client's own refusal
	}
	return &inventory.LookError{Reason: inventory.ReasonRegistryUnreachable, Message: cause(err) + ".", Err: err}
}

// failure says to a person why a TUF repository gave no trusted root.
func failure(repository string, err error) *inventory.LookError {
	reason, what := inventory.ReasonTrustRootStale, ""
	look, refused := errors.AsType[*inventory.LookError](err)
	status, answered := errors.AsType[*metadata.ErrDownloadHTTP](err)
	switch {
	case refused:
		reason, what = look.Reason, "could not be read: "+look.Message
	case answered:
		reason, what = inventory.ReasonRegistryUnreachable,
			fmt.Sprintf("could not be read: it answered %d for %s.", status.StatusCode, shown(path.Base(status.URL)))
	case errors.Is(err, &metadata.ErrDownloadLengthMismatch{}):
		reason, what = inventory.ReasonTooLarge, "answered with more than is read of one file."
	case errors.Is(err, &metadata.ErrExpiredMetadata{}):
		what = fmt.Sprintf("has let its metadata run out, so nobody can tell whether it is the latest (%s).", cause(err))
	case errors.Is(err, &metadata.ErrBadVersionNumber{}):
		what = fmt.Sprintf("offers metadata of a wrong version, such as one older than was seen before; that is refused (%s).", cause(err))
	case errors.Is(err, &metadata.ErrUnsignedMetadata{}):
		what = "offers metadata that isn't signed by those who have to sign it; that is refused."
	case errors.Is(err, &metadata.ErrRepository{}):
		what = fmt.Sprintf("offers files that don't fit together; that is refused (%s).", cause(err))
	default:
		what = fmt.Sprintf("offers something that can't be read: %s.", cause(err))
	}
	return &inventory.LookError{Reason: reason, Message: "The TUF repository " + repository + " " + what, Err: err}
}

// cause is the end of an error's chain, fit to be read.
func cause(err error) string {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	text := err.Error()
	if _, after, ok := strings.Cut(text, " error: "); ok && errors.Is(err, &metadata.ErrRepository{}) {
		text = after // go-tuf says the kind again
	}
	return shown(strings.TrimSuffix(text, "."))
}

func shown(s string) string {
	const most = 300
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return inventory.Visible(s)
}
