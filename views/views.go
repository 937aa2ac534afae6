// Package views renders Signboard's pages. Each page is a struct, filled by its
// handler, that is itself a templ.Component: views.ImagesPage{…}.Render(ctx, w).
// A fragment for htmx is the same page, of which the browser takes a region.
//
// Views show. They pass no judgement, count nothing that isn't in the struct,
// ask no clock and reach no database.
package views

import (
	"context"
	"io"

	"signboard/views/ui"
)

// Frame is what every page shows around its own content.
type Frame = ui.Frame

// Flash is one sentence about what the last form came to.
type Flash = ui.Flash

// Render writes the page.
func (p OverviewPage) Render(ctx context.Context, w io.Writer) error {
	return overview(p).Render(ctx, w)
}

// Render writes the page.
func (p ImagesPage) Render(ctx context.Context, w io.Writer) error { return images(p).Render(ctx, w) }

// Render writes the page.
func (p ImagePage) Render(ctx context.Context, w io.Writer) error {
	return image(p.asOf()).Render(ctx, w)
}

// Render writes the page.
func (p KeyPage) Render(ctx context.Context, w io.Writer) error     { return keyPage(p).Render(ctx, w) }
func (p SignersPage) Render(ctx context.Context, w io.Writer) error { return signers(p).Render(ctx, w) }

// Render writes the page.
func (p SignerPage) Render(ctx context.Context, w io.Writer) error { return signer(p).Render(ctx, w) }

// Render writes the page.
func (p QuarantinePage) Render(ctx context.Context, w io.Writer) error {
	return quarantine(p).Render(ctx, w)
}

// Render writes the page.
func (p RegistriesPage) Render(ctx context.Context, w io.Writer) error {
	return registries(p).Render(ctx, w)
}

// Render writes the page.
func (p AccountPage) Render(ctx context.Context, w io.Writer) error { return account(p).Render(ctx, w) }

// Render writes the page.
func (p TeamsPage) Render(ctx context.Context, w io.Writer) error { return teams(p).Render(ctx, w) }

// Render writes the page.
func (p TeamPage) Render(ctx context.Context, w io.Writer) error { return team(p).Render(ctx, w) }

// Render writes the page.
func (p LearnPage) Render(ctx context.Context, w io.Writer) error { return learn(p).Render(ctx, w) }

// Render writes the page.
func (p ReasonPage) Render(ctx context.Context, w io.Writer) error { return reason(p).Render(ctx, w) }

// Render writes the page.
func (p TrustPage) Render(ctx context.Context, w io.Writer) error { return trust(p).Render(ctx, w) }

// Render writes the page.
func (p AuditPage) Render(ctx context.Context, w io.Writer) error { return audit(p).Render(ctx, w) }

// Render writes the page.
func (p AuditEntryPage) Render(ctx context.Context, w io.Writer) error {
	return auditEntry(p).Render(ctx, w)
}

// Render writes the page.
func (p SearchPage) Render(ctx context.Context, w io.Writer) error { return search(p).Render(ctx, w) }

// Render writes the page.
func (p HelpPage) Render(ctx context.Context, w io.Writer) error { return help(p).Render(ctx, w) }

// Render writes the page.
func (p SignInPage) Render(ctx context.Context, w io.Writer) error { return signIn(p).Render(ctx, w) }

// Render writes the page.
func (p ErrorPage) Render(ctx context.Context, w io.Writer) error {
	return errorPage(p).Render(ctx, w)
}

// Render writes the page.
func (p TokensPage) Render(ctx context.Context, w io.Writer) error { return tokens(p).Render(ctx, w) }

// Render writes the page.
func (p TokenPage) Render(ctx context.Context, w io.Writer) error { return token(p).Render(ctx, w) }
