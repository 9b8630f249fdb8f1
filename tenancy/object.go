package tenancy

import (
	"bytes"
	"encoding/json"
	"fmt"

	"maestro/problem"
)

// MaxObjectBytes is the size limit of a free JSON object (metadata, context).
const MaxObjectBytes = 16 << 10

// Object is a free JSON object, compact, at most MaxObjectBytes. Nil means {}.
type Object []byte

// MarshalJSON implements json.Marshaler.
func (o Object) MarshalJSON() ([]byte, error) {
	if len(o) == 0 {
		return []byte("{}"), nil
	}
	return o, nil
}

// UnmarshalJSON replaces the object whole; null empties it.
func (o *Object) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*o = nil
		return nil
	}
	if len(data) == 0 || data[0] != '{' {
		return fmt.Errorf("not a JSON object")
	}
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil {
		return err
	}
	*o = b.Bytes()
	return nil
}

// Check records at location whether the object is larger than it may be.
func (o Object) Check(c *problem.Checks, location string) {
	c.Require(len(o) <= MaxObjectBytes, location, "must be at most %d bytes of JSON", MaxObjectBytes)
}
