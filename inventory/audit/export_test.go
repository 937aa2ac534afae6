package audit

import "golang.org/x/mod/sumdb/note"

// SignText signs any text, as only a test would.
func (k Key) SignText(text string) ([]byte, error) {
	return note.Sign(&note.Note{Text: text}, k.signer)
}
