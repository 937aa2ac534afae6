package handlers

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5/middleware"

	"signboard/inventory"
)

// How long an export may take: without bound as a whole, since a list can be a
// million rows, but each page of it this long to be read and this long to be taken
// by the client.
const (
	readTime = 30 * time.Second
	takeTime = 30 * time.Second
)

// maxExports is how many exports one process writes at a time.
const maxExports = 8

// Export is each list as a file, with the filter of its page: CSV for people with
// a spreadsheet, JSON as an array of the API's objects.
//
// A file is written while the list is read, a page at a time by the very functions
// that pages use, and nothing of it is gathered first. What changes meanwhile: a
// row is as it was when its page was read, and none is there twice. Lists that are
// sorted by when something came to be (images, quarantines, audit) miss nothing
// that was there from beginning to end and still fits the filter, and have nothing
// that came later, but for a quarantine that was made and ended meanwhile. Signers are sorted by how many images wait for them: one that
// gains images while the file is written can be missed.
//
// A failure in the middle ends the connection, so that the client sees a body that
// is cut short (RFC 9112, section 8) and nobody takes a part for the whole.
type Export struct {
	Pages
	Images      ImageStore
	Signers     SignerStore
	Quarantines QuarantineStore
	Audit       AuditStore
	Coverage    TeamStore

	running chan struct{}
}

// NewExport is an Export that bounds how many files are written at a time.
func NewExport(e Export) Export {
	e.running = make(chan struct{}, maxExports)
	return e
}

// sheet is a list as it is exported.
type sheet[T any] struct {
	name    string // of the file, without the day
	columns []string
	page    func(ctx context.Context, p inventory.Page) ([]T, string, error)
	cells   func(T) []string
	object  func(T) any // of the API
}

// export writes a list in the format that the route names.
func export[T any](e Export, w http.ResponseWriter, r *http.Request, s sheet[T]) error {
	select {
	case e.running <- struct{}{}:
		defer func() { <-e.running }()
	default:
		w.Header().Set("Retry-After", "30")
		return inventory.Errorf(inventory.Unavailable, "%d exports are being written already. Try again in a moment.", maxExports)
	}
	read := func(cursor string) ([]T, string, error) {
		ctx, cancel := context.WithTimeout(r.Context(), readTime)
		defer cancel()
		return s.page(ctx, inventory.Page{Limit: inventory.MaxPage, Cursor: cursor})
	}
	list, next, err := read("") // before the first byte, so that a failure is an error page
	if err != nil {
		return err
	}

	var file format[T] = &csvFile[T]{sheet: s}
	kind, suffix := "text/csv; charset=utf-8", "csv"
	if strings.HasSuffix(r.URL.Path, ".json") {
		file, kind, suffix = &jsonFile[T]{sheet: s}, "application/json", "json"
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="signboard-`+s.name+"-"+e.Clock().UTC().Format("20060102-1504")+"."+suffix+`"`)
	h.Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		return nil
	}
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{}) // the server's is for requests that end soon
	send := func(b *bytes.Buffer) bool {
		defer b.Reset()
		if err := out.SetWriteDeadline(time.Now().Add(takeTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return false
		}
		if _, err := w.Write(b.Bytes()); err != nil {
			return false
		}
		err := out.Flush()
		return err == nil || errors.Is(err, http.ErrNotSupported)
	}
	var b bytes.Buffer
	file.begin(&b)
	for {
		for _, item := range list {
			if err = file.add(&b, item); err != nil {
				break
			}
		}
		if err == nil && next == "" {
			break
		}
		if err == nil && !send(&b) {
			panic(http.ErrAbortHandler) // the client is gone, or took too long
		}
		if err == nil {
			list, next, err = read(next)
		}
		if err != nil {
			if r.Context().Err() == nil {
				e.Log.Error("an export broke off", "request", middleware.GetReqID(r.Context()), "path", r.URL.Path, "error", err)
			}
			panic(http.ErrAbortHandler)
		}
	}
	file.end(&b)
	if !send(&b) {
		panic(http.ErrAbortHandler)
	}
	return nil
}

// format writes a list.
type format[T any] interface {
	begin(*bytes.Buffer)
	add(*bytes.Buffer, T) error
	end(*bytes.Buffer)
}

// csvFile writes CSV (RFC 4180): a header, then a record for each item.
type csvFile[T any] struct {
	sheet[T]
	record bytes.Buffer
	writer *csv.Writer // into record
}

func (f *csvFile[T]) begin(b *bytes.Buffer) { _ = f.write(b, f.columns) }

func (f *csvFile[T]) add(b *bytes.Buffer, item T) error {
	cells := f.cells(item)
	for i := range cells {
		cells[i] = cell(cells[i])
	}
	return f.write(b, cells)
}

func (f *csvFile[T]) end(*bytes.Buffer) {}

// write ends the record as the RFC has it. The package would, too (UseCRLF), but
// turns the line breaks in fields into others then.
func (f *csvFile[T]) write(b *bytes.Buffer, cells []string) error {
	if f.writer == nil {
		f.writer = csv.NewWriter(&f.record)
	}
	f.record.Reset()
	if err := f.writer.Write(cells); err != nil {
		return err
	}
	f.writer.Flush()
	b.Write(bytes.TrimSuffix(f.record.Bytes(), []byte("\n")))
	b.WriteString("\r\n")
	return f.writer.Error()
}

// jsonFile writes one array, an object in each line.
type jsonFile[T any] struct {
	sheet[T]
	some bool
}

func (f *jsonFile[T]) begin(b *bytes.Buffer) { b.WriteString("[") }

func (f *jsonFile[T]) add(b *bytes.Buffer, item T) error {
	object, err := json.Marshal(f.object(item))
	if err != nil {
		return err
	}
	if f.some {
		b.WriteString(",")
	}
	f.some = true
	b.WriteString("\n")
	b.Write(object)
	return nil
}

func (f *jsonFile[T]) end(b *bytes.Buffer) { b.WriteString("\n]\n") }
