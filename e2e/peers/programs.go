//go:build peers

package peers

import "runtime"

// programs are the peers, pinned: the newest versions that Go 1.26 builds.
// timestamp-authority 2.1.4, rekor 1.5.5 and rekor-tiles 2.4.0 want Go 1.27.
//
// What is left out, and why: PostgreSQL, Redis and Trillian's two servers, since Rekor v1
// finds the same Trillian, with its storage in memory, in testdata/trillian.
var programs = []program{
	// Signers, which are also the references.
	{name: "cosign2", module: "github.com/sigstore/cosign/v2", version: "v2.6.5", main: "cmd/cosign"},
	{name: "cosign3", module: "github.com/sigstore/cosign/v3", version: "v3.1.3", main: "cmd/cosign"},
	{name: "notation", module: "github.com/notaryproject/notation", version: "v1.3.2", main: "cmd/notation"},

	// Registries.
	{name: "distribution", module: "github.com/distribution/distribution/v3", version: "v3.1.2", main: "cmd/registry"},
	{name: "olareg", module: "github.com/olareg/olareg", version: "v0.2.2", main: "cmd/olareg"},
	{name: "zot", module: "zotregistry.io/zot", version: "v1.4.3", main: "cmd/zot", adopt: "github.com/project-zot/zot",
		flags: []string{"-tags=containers_image_openpgp", "-ldflags=-s -w -checklinkname=0"}},

	// Sigstore. Three of them serve metrics on every interface, and no flag
	// changes that.
	{name: "fulcio", module: "github.com/sigstore/fulcio", version: "v1.8.8", main: "/", edits: []edit{
		{"cmd/app/serve.go", `fmt.Sprintf(":%v", viper.GetString("metrics-port"))`, `fmt.Sprintf("127.0.0.1:%v", viper.GetString("metrics-port"))`},
	}},
	{name: "tsa", module: "github.com/sigstore/timestamp-authority/v2", version: "v2.1.3", main: "cmd/timestamp-server", edits: []edit{
		{"pkg/server/prometheus.go", `":2112"`, `"127.0.0.1:0"`},
	}},
	{name: "rekor1", module: "github.com/sigstore/rekor", version: "v1.5.4", main: "cmd/rekor-server", edits: []edit{
		{"cmd/rekor-server/app/serve.go", `":2112"`, `"127.0.0.1:0"`},
	}},
	{name: "rekor2", module: "github.com/sigstore/rekor-tiles/v2", version: "v2.3.0", main: "cmd/rekor-server/posix"},
	{name: "trillian", module: "github.com/google/trillian", version: "v1.8.0"},
	// Its own pins of tessera and formats are untagged commits, which a module
	// proxy need not hold; their tagged neighbours do as well.
	{name: "ctlog", module: "github.com/transparency-dev/tesseract", version: "v0.1.2", lines: []string{
		"replace github.com/transparency-dev/tessera => github.com/transparency-dev/tessera v1.0.3",
		"replace github.com/transparency-dev/formats => github.com/transparency-dev/formats v0.1.1",
	}},

	// The identity provider that people sign in with. (Signers don't: Fulcio asks
	// a provider for no more than its keys, and the one in oidc.go mints the tokens
	// of people and of workflows alike.) Its releases aren't versions of its
	// module; this is the commit that came before August 2026's. Its gRPC API is
	// built from a module beside it that no proxy has at that commit, and isn't
	// needed.
	{name: "dex", module: "github.com/dexidp/dex", version: "v0.0.0-20260806151424-ab64ed778070", main: "cmd/dex", without: true, edits: []edit{
		{"cmd/dex/serve.go", "\t\"github.com/dexidp/dex/api/v2\"\n", ""},
		{"cmd/dex/serve.go", "\t\"github.com/dexidp/dex/server/apiserver\"\n", ""},
		{"cmd/dex/serve.go", "api.RegisterDexServer(grpcSrv, apiserver.NewAPI(serverConfig.Storage, logger, version, serv.Connectors(), serv.Discovery(), serv.Backchannel()))", "_ = grpcSrv"},
	}},
}

func goVersion() string { return runtime.Version() }
