package tenancy

import (
	"encoding/hex"
	"fmt"

	"github.com/google/uuid"
)

// ID is a UUID. Ids made here are version 7: they sort by the time of their
// making. Imported ids keep the version they had. The zero ID names nothing.
type ID [16]byte

// NewID returns a new UUIDv7 from the system's clock and random source.
func NewID() ID {
	id, err := uuid.NewV7()
	if err != nil {
		panic("tenancy: the system's random source failed: " + err.Error())
	}
	return ID(id)
}

// ParseID reads the canonical form: 36 characters, lower-case hexadecimal.
func ParseID(text string) (ID, error) {
	var id ID
	err := id.UnmarshalText([]byte(text))
	return id, err
}

// IsZero reports whether id names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// OrNil returns the id, or nil for the one that names nothing.
func (id ID) OrNil() *ID {
	if id.IsZero() {
		return nil
	}
	return &id
}

func (id ID) String() string { return string(id.append(make([]byte, 0, 36))) }

// AppendText appends the canonical form.
func (id ID) AppendText(b []byte) ([]byte, error) { return id.append(b), nil }

func (id ID) append(b []byte) []byte {
	b = hex.AppendEncode(b, id[0:4])
	b = append(b, '-')
	b = hex.AppendEncode(b, id[4:6])
	b = append(b, '-')
	b = hex.AppendEncode(b, id[6:8])
	b = append(b, '-')
	b = hex.AppendEncode(b, id[8:10])
	b = append(b, '-')
	return hex.AppendEncode(b, id[10:16])
}

// MarshalText implements encoding.TextMarshaler.
func (id ID) MarshalText() ([]byte, error) { return id.append(make([]byte, 0, 36)), nil }

// UnmarshalText implements encoding.TextUnmarshaler. It accepts the canonical
// form only, so that an id has one spelling.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return fmt.Errorf("not a UUID")
	}
	var digits [32]byte
	n := 0
	for i, c := range text {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			continue
		}
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fmt.Errorf("not a UUID")
		}
		digits[n] = c
		n++
	}
	_, err := hex.Decode(id[:], digits[:]) // hexadecimal digits only, as seen above
	return err
}
