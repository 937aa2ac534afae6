package web_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"signboard/handlers"
	"signboard/inventory"
	"signboard/web"
)

// records are those of a CSV, without its header.
func (w *world) records(a answer) [][]string {
	w.Helper()
	list, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	if err != nil || len(list) == 0 {
		w.Fatalf("%d, %v: %s", a.StatusCode, err, a.body)
	}
	return list[1:]
}

func TestExport_isTheListOfThePage(t *testing.T) {
	w := newWorld(t, plan{})
	approved, held := w.fill()
	for query, want := range map[string]int{"": 8, "?status=unsigned": 2, "?team=payments": 4, "?team=-&status=quarantined": 1, "?q=none": 0, "?signer=" + strings.ReplaceAll(string(keyless.ID), "|", "%7C"): 1} {
		a := w.get(viewer, "/images.csv"+query)
		var objects []struct {
			Digest   inventory.Digest `json:"digest"`
			Evidence *bool            `json:"evidence"`
		}
		b := w.get(viewer, "/images.json"+query)
		if err := json.Unmarshal([]byte(b.body), &objects); err != nil || objects == nil {
			t.Errorf("%s: %v: %s", query, err, b.body)
		}
		records := w.records(a)
		if len(records) != want || len(objects) != want {
			t.Errorf("%q: %d records and %d objects, want %d", query, len(records), len(objects), want)
		}
		for i, object := range objects {
			if records[i][3] != string(object.Digest) || object.Evidence == nil || *object.Evidence {
				t.Errorf("%q: record %d is %v, the object %+v", query, i, records[i], object)
			}
		}
	}
	a := w.get(viewer, "/images.csv?team=payments&status=trusted")
	if records := w.records(a); records[0][14] != "release pipeline" || records[0][15] != string(approved.ID) || records[0][13] != "payments" || records[0][10] != "" || records[0][11] != "false" {
		t.Errorf("the record is %q", records[0])
	}
	if got, want := a.Header.Get("Content-Disposition"), `attachment; filename="signboard-images-trusted-payments-20261121-1200.csv"`; got != want {
		t.Errorf("Content-Disposition is %s, want %s", got, want)
	}
	if got := a.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control is %q", got)
	}
	if !strings.HasPrefix(a.body, "registry,repository,tags,digest,status,") || strings.Count(a.body, "\r\n") != strings.Count(a.body, "\n") {
		t.Errorf("lines end otherwise than RFC 4180 says: %q", a.body)
	}
	if a := w.ask(viewer, http.MethodHead, "/images.csv", nil); a.StatusCode != http.StatusOK || a.body != "" || a.Header.Get("Content-Type") != sheet {
		t.Errorf("HEAD: %d, %q", a.StatusCode, a.body)
	}

	w.must(w.door.Release(t.Context(), inventory.Actor{Kind: inventory.UserActor, Name: second, Subject: "x|y", Role: inventory.Reviewer}, held.ID, "was a mistake"))
	if records := w.records(w.get(viewer, "/quarantine.csv")); len(records) != 1 || records[0][8] != "false" || records[0][12] != "was a mistake" {
		t.Errorf("quarantines are %q", records)
	}
	if records := w.records(w.get(viewer, "/signers.csv")); len(records) != 3 {
		t.Errorf("signers are %q", records)
	}
	if records := w.records(w.get(viewer, "/audit.csv")); len(records) != len(w.entries()) {
		t.Errorf("%d entries, of %d", len(records), len(w.entries()))
	}
	if a := w.get(viewer, "/images.xlsx"); a.StatusCode != http.StatusNotFound {
		t.Errorf("a format nobody knows: %d", a.StatusCode)
	}
}

// Names are hostile in a spreadsheet in other ways than on a page.
func TestExport_namesAreNeitherFormulasNorChanged(t *testing.T) {
	w := newWorld(t, plan{})
	names := []string{"=HYPERLINK(\"https://evil.test\")", "+1", "-2", "@x", "\t=1", "＝1", "a\r\nb,\"c\"", "x;=1", "<script>", "فريق"}
	w.lookHostile("pay/api", found(1, inventory.Unsigned, inventory.ReasonNoSignature, "=cmd|'/c calc'!A1", names))
	records := w.records(w.get(viewer, "/images.csv"))
	if records[0][6] != "'=cmd|'/c calc'!A1" {
		t.Errorf("the message is %q", records[0][6])
	}
	for _, name := range names {
		bare := strings.ReplaceAll(strings.ReplaceAll(records[0][2], "'", ""), "\r\n", "\n")
		if !strings.Contains(bare, strings.ReplaceAll(name, "\r\n", "\n")) {
			t.Errorf("tag %q isn't in %q", name, records[0][2])
		}
	}
	if strings.ContainsRune("=+-@\t\r＝", []rune(records[0][2])[0]) {
		t.Errorf("the tags are a formula: %q", records[0][2])
	}
	var objects []struct{ Tags []string }
	w.must(json.Unmarshal([]byte(w.get(viewer, "/images.json").body), &objects))
	for _, name := range names {
		if !slices.Contains(objects[0].Tags, name) {
			t.Errorf("the object has no tag %q: %q", name, objects[0].Tags)
		}
	}
}

// endless is a list of so many images, that counts what is asked of it.
type endless struct {
	handlers.ImageStore
	rows   int
	failAt int // after so many rows; 0 is never
	page   func(rows int)

	asked, given int
}

func (e *endless) Images(ctx context.Context, _ inventory.ImageFilter, p inventory.Page, _ time.Time) (inventory.ImageList, error) {
	if e.asked++; p.Size() != inventory.MaxPage {
		return inventory.ImageList{}, fmt.Errorf("asked for %d at once", p.Size())
	}
	deadline, ok := ctx.Deadline()
	if left := time.Until(deadline); !ok || left < 20*time.Second || left > time.Minute {
		return inventory.ImageList{}, fmt.Errorf("a page has %s", left)
	}
	from, _ := strconv.Atoi(p.Cursor)
	if e.page != nil {
		e.page(from)
	}
	if e.failAt > 0 && from >= e.failAt {
		return inventory.ImageList{}, errors.New("the disk is gone")
	}
	var l inventory.ImageList
	for n := from; n < min(e.rows, from+p.Size()); n++ {
		l.Images = append(l.Images, inventory.Image{
			ID: int64(e.rows - n), Registry: "local", Repository: "pay/api", Digest: inventory.Digest(fmt.Sprintf("sha256:%064x", n)), Status: inventory.Unsigned, Tags: []string{"v1", "latest"},
			Reason: inventory.ReasonNoSignature, Message: "Every place a signature could be was read, and there is none.",
		})
	}
	if e.given += len(l.Images); from+p.Size() < e.rows {
		l.Next = strconv.Itoa(from + p.Size())
	}
	return l, nil
}

// exporting serves the exports of a list over real connections.
func exporting(t *testing.T, e *endless) (*world, *httptest.Server) {
	w := newWorld(t, plan{change: func(r *web.Routes) { r.Export.Images = e }})
	server := httptest.NewUnstartedServer(w.handler)
	server.Config.ReadTimeout, server.Config.WriteTimeout = 400*time.Millisecond, 400*time.Millisecond
	server.Start()
	t.Cleanup(server.Close)
	return w, server
}

func (w *world) download(server *httptest.Server, path string) *http.Response {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), http.MethodGet, server.URL+path, nil)
	w.must(err)
	r.Host = "signboard.test"
	r.AddCookie(w.cookie(viewer))
	a, err := http.DefaultClient.Do(r)
	w.must(err)
	w.Cleanup(func() { a.Body.Close() })
	return a
}

// A million rows go through in the memory of a page.
func TestExport_ofAMillionRowsIsFlat(t *testing.T) {
	for format, rows := range map[string]int{"csv": 1_000_000, "json": 100_000} {
		most := uint64(0)
		list := &endless{rows: rows, page: func(from int) {
			if from%(rows/10) == 0 && from > 0 {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		}}
		w, server := exporting(t, list)
		runtime.GC()
		var before runtime.MemStats
		runtime.ReadMemStats(&before)
		a := w.download(server, "/images."+format)
		lines := 0
		buffer := make([]byte, 64<<10)
		for {
			n, err := a.Body.Read(buffer)
			lines += strings.Count(string(buffer[:n]), "\n")
			if err == io.EOF {
				break
			}
			w.must(err)
		}
		if want := rows + 1 + len(format) - 3; lines != want || list.given != rows || list.asked != rows/inventory.MaxPage {
			t.Errorf("%s: %d lines, want %d, of %d rows in %d pages", format, lines, want, list.given, list.asked)
		}
		grown := int64(most) - int64(before.HeapAlloc)
		if t.Logf("%s: the heap grew by %d KiB", format, grown>>10); grown > 8<<20 {
			t.Errorf("%s: the heap grew by %d KiB while the rows were written", format, grown>>10)
		}
	}
}

// What fails before the first byte is an error page; what fails later ends the
// connection, so that nobody takes a part for the whole.
func TestExport_thatFailsIsSeenToFail(t *testing.T) {
	for _, format := range []string{"csv", "json"} {
		w, server := exporting(t, &endless{rows: 5000, failAt: 1000})
		a := w.download(server, "/images."+format)
		body, err := io.ReadAll(a.Body)
		if a.StatusCode != http.StatusOK || !errors.Is(err, io.ErrUnexpectedEOF) || len(body) < 1000 {
			t.Errorf("%s: %d with %d bytes, ends with %v", format, a.StatusCode, len(body), err)
		}
		if lines := w.log.errors(); len(lines) != 1 || !strings.Contains(lines[0], "the disk is gone") {
			t.Errorf("%s: logged are %v", format, lines)
		}
	}
	w, server := exporting(t, &endless{rows: 1})
	if a := w.download(server, "/images.csv"); a.StatusCode != http.StatusOK {
		t.Errorf("after a failure: %d", a.StatusCode)
	}
}

func TestExport_outlivesTheServersTimeouts(t *testing.T) {
	list := &endless{rows: 4 * inventory.MaxPage}
	w, server := exporting(t, list)
	list.page = func(int) { w.timeout(server) }
	a := w.download(server, "/images.csv")
	body, err := io.ReadAll(a.Body)
	if lines := strings.Count(string(body), "\n"); err != nil || lines != list.rows+1 {
		t.Errorf("%d lines, then %v", lines, err)
	}
}

// timeout waits until the server has lost its patience with somebody else.
func (w *world) timeout(server *httptest.Server) {
	w.Helper()
	var d net.Dialer
	c, err := d.DialContext(w.Context(), "tcp", server.Listener.Addr().String())
	w.must(err)
	defer c.Close()
	_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: ")
	w.must(err)
	_, _ = io.Copy(io.Discard, c)
}

// Not everybody can export at once.
func TestExport_isBounded(t *testing.T) {
	entered, leave := make(chan bool, 20), make(chan bool)
	list := &endless{rows: 1, page: func(int) { entered <- true; <-leave }}
	w, server := exporting(t, list)
	done := make(chan int, 20)
	cookie := w.cookie(viewer)
	ask := func() {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/images.csv", nil)
		r.Host = "signboard.test"
		r.AddCookie(cookie)
		if a, err := http.DefaultClient.Do(r); err == nil {
			a.Body.Close()
			done <- a.StatusCode
		} else {
			done <- 0
		}
	}
	for range 8 {
		go ask()
	}
	for range 8 {
		<-entered
	}
	if a := w.get(viewer, "/images.csv"); a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || !a.says("8 exports") {
		t.Errorf("the ninth: %d: %s", a.StatusCode, text(a.body))
	}
	close(leave)
	for range 8 {
		if status := <-done; status != http.StatusOK {
			t.Errorf("one of the eight got %d", status)
		}
	}
	if a := w.get(viewer, "/images.csv"); a.StatusCode != http.StatusOK {
		t.Errorf("once they are done: %d", a.StatusCode)
	}
}

// TestExport_ofAProgram asks for a list as a file with a token and nothing else.
func TestExport_ofAProgram(t *testing.T) {
	w := newWorld(t, plan{})
	w.fill()
	token := w.tokenOf(inventory.Viewer)
	for target, says := range map[string]string{
		"/images.csv?status=unsigned&team=payments":  "local,pay/web,",
		"/images.json?status=unsigned&team=payments": `"repository":"pay/web"`,
	} {
		a := w.ask(nobody, http.MethodGet, target, nil, "Authorization", "Bearer "+token)
		if a.StatusCode != http.StatusOK || !strings.Contains(a.body, says) || strings.Contains(a.body, "pay/api") {
			t.Errorf("%s: %d %s", target, a.StatusCode, a.body)
		}
		bad := w.ask(admin, http.MethodGet, target, nil, "Authorization", "Bearer sgb_x")
		bad.problem(t, http.StatusUnauthorized)
	}
	// What the filter doesn't know is a program's to read, too.
	unknown := w.ask(nobody, http.MethodGet, "/images.csv?team=nobody", nil, "Authorization", "Bearer "+token)
	if detail := unknown.problem(t, http.StatusUnprocessableEntity); !strings.Contains(detail, "There is no team") {
		t.Errorf("an unknown team: %q", detail)
	}
}
