package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"signboard/inventory"
)

// QuarantineStore is what the calls about quarantines read. standing chooses
// those that hold now, or those that are over; both newest first.
type QuarantineStore interface {
	Quarantines(ctx context.Context, standing bool, p inventory.Page, now time.Time) ([]inventory.Quarantine, string, error)
	// Quarantine is one of them, or fails with NotFound.
	Quarantine(ctx context.Context, id string) (inventory.Quarantine, error)
}

// quarantines adds the calls that read quarantines.
func (s *surface) quarantines() {
	call(s, huma.Operation{
		Method: http.MethodGet, Path: "/quarantines", OperationID: "list-quarantines", Tags: []string{"Quarantines"},
		Summary:     "List quarantines",
		Description: "First those that stand now, then those that were released or ran out; each the newest first.",
	}, s.listQuarantines)
}

const standing, over = "standing", "over"

func (s *surface) listQuarantines(ctx context.Context, in *struct {
	State string `query:"state" enum:"standing,over" doc:"Those that stand now, or those that are over; nothing for both."`
	Paging
}) (*answer[List[Quarantine]], error) {
	page, err := in.page("quarantines")
	if err != nil {
		return nil, err
	}
	// The two lists of the store are one here, and the cursor says which of them it
	// is of.
	which := in.State
	if page.Cursor != "" {
		state, rest, ok := strings.Cut(page.Cursor, " ")
		if !ok || rest == "" && state != over || state != standing && state != over || which != "" && which != state {
			return nil, errCursor
		}
		which, page.Cursor = state, rest
	}
	now := s.Clock().UTC()
	var found []inventory.Quarantine
	next := ""
	if which != over {
		if found, next, err = s.Quarantines.Quarantines(ctx, true, page, now); err != nil {
			return nil, err
		}
		if next != "" {
			return listed("quarantines", found, standing+" "+next, NewQuarantine), nil
		}
	}
	if in.State == standing {
		return listed("quarantines", found, "", NewQuarantine), nil
	}
	if which != over {
		page.Cursor = ""
		if page.Limit -= len(found); page.Limit == 0 { // the others begin on the next page
			return listed("quarantines", found, over+" ", NewQuarantine), nil
		}
	}
	ended, next, err := s.Quarantines.Quarantines(ctx, false, page, now)
	if err != nil {
		return nil, err
	}
	if next != "" {
		next = over + " " + next
	}
	return listed("quarantines", append(found, ended...), next, NewQuarantine), nil
}
