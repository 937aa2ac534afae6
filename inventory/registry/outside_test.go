package registry

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"signboard/inventory"
)

func TestOutside_refusesAddressesThatAreNobodysBusiness(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }))
	t.Cleanup(server.Close)
	if response, err := NewOutsideClient(Outside{}).Get(server.URL); err == nil {
		response.Body.Close()
		t.Error("a loopback address was asked without allow_private")
	}
	response, err := NewOutsideClient(Outside{AllowPrivate: true}).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response, err := NewOutsideClient(Outside{AllowPrivate: true}).Get("http://169.254.169.254/latest/meta-data"); err == nil {
		response.Body.Close()
		t.Error("a metadata address was asked")
	}
}

func TestOutside_endsAnAnswerThatIsTooLong(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat("x", 1000))
	}))
	t.Cleanup(server.Close)
	for max, want := range map[int64]bool{999: false, 1000: true} {
		response, err := NewOutsideClient(Outside{AllowPrivate: true, MaxBytes: max}).Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(response.Body)
		response.Body.Close()
		if (err == nil) != want || int64(len(b)) != max {
			t.Errorf("at most %d bytes: read %d, error %v", max, len(b), err)
		}
		if err != nil && inventory.AsLookError(err).Reason != inventory.ReasonTooLarge {
			t.Errorf("the error is %v", err)
		}
	}
}

func TestOutside_boundsRedirects(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(w, r, "/again", http.StatusFound)
	}))
	t.Cleanup(server.Close)
	if response, err := NewOutsideClient(Outside{AllowPrivate: true}).Get(server.URL); err == nil {
		response.Body.Close()
		t.Error("a redirect loop came to an end")
	}
	if asked > 4 {
		t.Errorf("asked %d times", asked)
	}
}
