package demo

import (
	"net/http"
	"strings"
	"testing"

	"signboard/inventory"
)

func started(t *testing.T) *Demo {
	t.Helper()
	d, err := Start(t.Context(), Options{BaseURL: "http://127.0.0.1:8080"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestStart_refusesToLeaveLoopback(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "[::]:0", "example.com:0", "127.0.0.1"} {
		for _, opts := range []Options{{RegistryAddr: address}, {OIDCAddr: address}} {
			opts.BaseURL = "http://127.0.0.1:8080"
			d, err := Start(t.Context(), opts)
			if err == nil {
				d.Close()
				t.Errorf("%+v was taken", opts)
			} else if inventory.KindOf(err) != inventory.Invalid {
				t.Errorf("%+v: %v", opts, err)
			}
		}
	}
}

func TestStart_namesThePortInUse(t *testing.T) {
	d := started(t)
	taken := d.push.host()
	other, err := Start(t.Context(), Options{BaseURL: "http://127.0.0.1:8080", RegistryAddr: taken})
	if err == nil {
		other.Close()
		t.Fatal("two registries share a port")
	}
	if inventory.KindOf(err) != inventory.Unavailable || !strings.Contains(err.Error(), taken) {
		t.Errorf("the error says %q", err)
	}
}

func TestStart_refusesABaseURLThatIsNone(t *testing.T) {
	for _, base := range []string{"", "127.0.0.1:8080", "ftp://127.0.0.1", "/"} {
		if d, err := Start(t.Context(), Options{BaseURL: base}); err == nil {
			d.Close()
			t.Errorf("%q was taken", base)
		}
	}
}

func TestClose_mayBeCalledTwice(t *testing.T) {
	d := started(t)
	for range 2 {
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := http.Get(d.RegistryURL() + "/v2/"); err == nil {
		t.Error("the registry still answers")
	}
}

func TestPeers_answerToLocalNamesOnly(t *testing.T) {
	d := started(t)
	for _, address := range []string{d.RegistryURL() + "/v2/", d.Issuer() + "/.well-known/openid-configuration"} {
		for host, want := range map[string]int{
			"localhost:1": http.StatusOK, "127.0.0.1": http.StatusOK, "[::1]:80": http.StatusOK,
			"rebound.example": http.StatusMisdirectedRequest, "localhost.example:80": http.StatusMisdirectedRequest, "192.0.2.1": http.StatusMisdirectedRequest,
		} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Host = host
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != want {
				t.Errorf("%s as %s: %s", address, host, response.Status)
			}
		}
	}
}
