package inventory

import "context"

// Role is what somebody may do; each includes the ones before it.
type Role int

const (
	Nobody   Role = iota
	Viewer        // sees everything
	Reviewer      // decides about signers and quarantine
	Admin         // manages registries, tokens and settings
)

func (r Role) String() string {
	return [...]string{"nobody", "viewer", "reviewer", "admin"}[r]
}

// ParseRole accepts viewer, reviewer and admin.
func ParseRole(s string) (Role, error) {
	for _, r := range []Role{Viewer, Reviewer, Admin} {
		if r.String() == s {
			return r, nil
		}
	}
	return Nobody, Errorf(Invalid, "%q is not a role: use viewer, reviewer or admin", clip(s, 40))
}

// Permission names something that needs a role.
type Permission string

const (
	See              Permission = "see"
	DecideSigner     Permission = "decide about signers"
	DecideQuarantine Permission = "quarantine and release images"
	SyncNow          Permission = "start or end a sync"
	TryRegistry      Permission = "test a registry's credentials"
	ManageTokens     Permission = "manage tokens"
)

// ActorKind says what an actor is.
type ActorKind string

const (
	UserActor   ActorKind = "user"
	TokenActor  ActorKind = "token"
	SystemActor ActorKind = "system"
)

// Actor is who is asking. The zero value may do nothing.
type Actor struct {
	Kind    ActorKind `json:"kind"`
	Name    string    `json:"name"`    // what is shown and written to the audit log
	Subject string    `json:"subject"` // the provider's stable id: issuer|sub; two names can be alike, this can't
	Role    Role      `json:"role"`
	Groups  []string  `json:"groups"`
	Address string    `json:"address"` // where the request came from
}

// May answers, in one place, what an actor may do. What is not listed is
// denied.
func (a Actor) May(p Permission) bool {
	switch p {
	case See:
		return a.Role >= Viewer
	case DecideSigner, DecideQuarantine, SyncNow:
		return a.Role >= Reviewer
	case ManageTokens, TryRegistry:
		return a.Role >= Admin
	}
	return false
}

// Require is nil when the actor may, and otherwise the Error to show.
func (a Actor) Require(p Permission) error {
	if a.May(p) {
		return nil
	}
	switch {
	case a.Role == Nobody && a.Subject != "":
		return Errorf(Forbidden, "You are signed in as %s, but none of your groups gives you a role here. An administrator can add one under oidc.roles.", Visible(a.Name))
	case a.Role == Nobody:
		return Errorf(Unauthorized, "Sign in to %s.", p)
	}
	if a.Kind == TokenActor {
		return Errorf(Forbidden, "The token %s has the role %s, and that role may not %s.", a.Name, a.Role, p)
	}
	return Errorf(Forbidden, "%s is signed in as %s, and that role may not %s.", a.Name, a.Role, p)
}

type actorKey struct{}

// WithActor returns a context that carries who is asking.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorFrom is who is asking, Nobody when the context doesn't say.
func ActorFrom(ctx context.Context) Actor {
	a, _ := ctx.Value(actorKey{}).(Actor)
	return a
}
