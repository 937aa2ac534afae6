package session

import (
	"net/http"

	"signboard/inventory"
)

// Peek is who a request's session belongs to, for what has to be written down of
// a request that is refused before it is anybody's. The session isn't used by it
// and doesn't last longer. Nobody, when it can't be told.
func (s *Sessions) Peek(r *http.Request) inventory.Actor {
	if s.provider == nil {
		return s.Local
	}
	cookie, err := r.Cookie(s.scs.Cookie.Name)
	if err != nil {
		return inventory.Actor{}
	}
	ctx, _, err := s.load(r.Context(), cookie.Value)
	if err != nil {
		return inventory.Actor{}
	}
	return s.actor(ctx)
}
