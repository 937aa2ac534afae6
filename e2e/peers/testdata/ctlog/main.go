// ctlog is TesseraCT, the certificate transparency log, over a folder. Its own
// command wants options of a storage library that isn't tagged; a log for a few
// hundred certificates needs none of them.
package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/transparency-dev/tessera"
	files "github.com/transparency-dev/tessera/storage/posix"
	antispam "github.com/transparency-dev/tessera/storage/posix/antispam"
	"github.com/transparency-dev/tesseract"
	"github.com/transparency-dev/tesseract/storage"
	"github.com/transparency-dev/tesseract/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

var (
	listen = flag.String("listen", "", "HOST:PORT")
	key    = flag.String("key", "", "the log's private key: ECDSA, PEM of SEC 1")
	roots  = flag.String("roots", "", "PEM of the authorities whose certificates are logged")
	origin = flag.String("origin", "", "the log's name")
	dir    = flag.String("dir", "", "where the log is kept")
)

func main() {
	flag.Parse()
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	raw, err := os.ReadFile(*key)
	if err != nil {
		return err
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return errors.New("the key isn't PEM")
	}
	signer, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return err
	}
	backup, err := posix.NewRootsStorage(ctx, *dir)
	if err != nil {
		return err
	}
	handler, err := tesseract.NewLogHandler(ctx, *origin, signer, tesseract.ChainValidationConfig{
		RootsPEMFile: *roots, RootsRemoteFetchBackup: backup, ExtKeyUsages: "CodeSigning",
	}, open, 10*time.Second, false, "", tesseract.LogHandlerOpts{DedupRL: -1, MaxCertChainBytes: 1 << 20})
	if err != nil {
		return err
	}
	server := http.Server{Addr: *listen, Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	return server.ListenAndServe()
}

// open opens the log's folder.
func open(ctx context.Context, signer note.Signer) (*storage.CTStorage, error) {
	driver, err := files.New(ctx, files.Config{Path: *dir})
	if err != nil {
		return nil, err
	}
	seen, err := antispam.NewAntispam(ctx, filepath.Join(*dir, ".state", "antispam"), antispam.AntispamOpts{})
	if err != nil {
		return nil, err
	}
	appender, _, reader, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithCTLayout().
		WithAntispam(1<<10, seen).
		WithCheckpointInterval(time.Second).
		WithBatching(16, 100*time.Millisecond))
	if err != nil {
		return nil, err
	}
	issuers, err := posix.NewIssuerStorage(ctx, *dir)
	if err != nil {
		return nil, err
	}
	return storage.NewCTStorage(ctx, &storage.CTStorageOptions{
		Appender: appender, Reader: reader, IssuerStorage: issuers, AwaiterPollInterval: 100 * time.Millisecond, EnablePubAwaiter: false,
	})
}
