package api

import (
	"encoding/base64"
	"strings"

	"signboard/inventory"
)

// List is one page of a list.
type List[T any] struct {
	Items      []T     `json:"items" doc:"Never null."`
	NextCursor *string `json:"next_cursor" doc:"What the next page's cursor is, null on the last page."`
	// Reevaluating is nil in lists that no decision about a signer changes.
	Reevaluating *int `json:"reevaluating,omitempty" doc:"In a list of images: how many are still to be judged again after a decision. Each row is as it is now; which rows a status selects may lag until this is 0."`
}

// Paging asks for one page of a list.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"The most items of a page."`
	Cursor string `query:"cursor" maxLength:"2000" doc:"What the page before answered as next_cursor; nothing for the first page. It means nothing outside of the list that it came from."`
}

// answer is what a call answers with one status.
type answer[T any] struct {
	Body T
}

// page is the page that was asked for of the list of that name.
func (p Paging) page(name string) (inventory.Page, error) {
	if p.Cursor == "" {
		return inventory.Page{Limit: p.Limit}, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(p.Cursor)
	cursor, ok := strings.CutPrefix(string(raw), name+" ")
	if err != nil || !ok || cursor == "" || !readable(cursor) {
		return inventory.Page{}, errCursor
	}
	return inventory.Page{Limit: p.Limit, Cursor: cursor}, nil
}

var errCursor = inventory.Errorf(inventory.Invalid, "The cursor isn't one that this list answered. Start again without one.")

// listed is the answer of one page; next is the store's cursor of the page after
// it, empty for none.
func listed[A, B any](name string, from []A, next string, element func(A) B) *answer[List[B]] {
	l := List[B]{Items: list(from, element)}
	if next != "" {
		cursor := base64.RawURLEncoding.EncodeToString([]byte(name + " " + next))
		l.NextCursor = &cursor
	}
	return &answer[List[B]]{l}
}
