package storage

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"maestro/problem"
	"maestro/tenancy"
)

// Page asks for one page of a list.
type Page struct {
	Limit  int    // 1..MaxLimit
	Cursor string // from the page before, or empty
	Sort   string // a key of the list, with - in front for descending; empty for the list's own order
}

// MaxLimit is the largest page, DefaultLimit the one served unasked.
const (
	MaxLimit     = 500
	DefaultLimit = 50
)

// position is where a page ended: the sort key's value and the id of its last
// row. It travels as an opaque cursor, signed for its tenant and list, so that a
// cursor can be neither forged nor carried into another list.
type position struct {
	Value any        `json:"v"`
	ID    tenancy.ID `json:"i"`
}

const cursorMACSize = 16

func (s *Store) encodeCursor(tenant tenancy.ID, list, sort string, at position) string {
	body, err := json.Marshal(at)
	if err != nil {
		panic("storage: " + err.Error()) // strings, numbers and ids always encode
	}
	return base64.RawURLEncoding.EncodeToString(append(s.cursorMAC(tenant, list, sort, body), body...))
}

func (s *Store) decodeCursor(tenant tenancy.ID, list, sort, cursor string) (position, error) {
	var at position
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err == nil && len(raw) > cursorMACSize &&
		hmac.Equal(raw[:cursorMACSize], s.cursorMAC(tenant, list, sort, raw[cursorMACSize:])) &&
		json.Unmarshal(raw[cursorMACSize:], &at) == nil {
		return at, nil
	}
	return at, &problem.Error{Code: problem.Malformed, Detail: "The cursor does not belong to this list.",
		Violations: []problem.Violation{{Location: "query.cursor", Message: "must be the next_cursor of a page with the same sort"}}}
}

// cursorMAC separates its parts by NUL, which no list name or sort key contains.
func (s *Store) cursorMAC(tenant tenancy.ID, list, sort string, body []byte) []byte {
	mac := hmac.New(sha256.New, s.cursorKey)
	mac.Write(tenant[:])
	mac.Write([]byte(list + "\x00" + sort + "\x00"))
	mac.Write(body)
	return mac.Sum(nil)[:cursorMACSize]
}
