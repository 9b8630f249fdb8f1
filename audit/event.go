package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"

	"maestro/tenancy"
)

// Hash is a SHA-256, hexadecimal as text.
type Hash [sha256.Size]byte

// String returns 64 hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != 2*len(h) {
		return fmt.Errorf("not a SHA-256")
	}
	_, err := hex.Decode(h[:], text)
	return err
}

// Event is one entry of an audit trail.
type Event struct {
	ID           tenancy.ID        `json:"id" doc:"Made of the time and the hash"`
	TenantID     *tenancy.ID       `json:"tenant_id" nullable:"true" doc:"Null in the installation's own trail"`
	Sequence     int64             `json:"sequence" doc:"Its place in the chain, from 1, without a gap"`
	Time         tenancy.Time      `json:"time" doc:"Never before that of the event before"`
	ActorKind    tenancy.ActorKind `json:"actor_kind" enum:"user,api_token,hook,operator,system,anonymous" doc:"hook: a CI system that delivers; operator: somebody of another tenant who runs the installation; system: the server itself, or a command on its machine; anonymous: without a credential that holds"`
	ActorID      *tenancy.ID       `json:"actor_id" nullable:"true" doc:"The user who acted, or on whose behalf an API token did"`
	CredentialID *tenancy.ID       `json:"credential_id" nullable:"true" doc:"The session or the API token"`
	Address      string            `json:"address" doc:"Where the request came from; empty for the server's own work and for a unix socket"`
	RequestID    string            `json:"request_id" doc:"Names the request in the server's log; empty for the server's own work"`
	Action       Action            `json:"action" doc:"The kind of object, a dot and the verb, such as project.create"`
	Object       string            `json:"object" doc:"The object's id, or its name where it has none; empty where there is none"`
	Outcome      Outcome           `json:"outcome" enum:"success,denied"`
	Before       tenancy.Object    `json:"before" doc:"What the fields were that changed. Secrets, free text and free objects are left out or given by their size"`
	After        tenancy.Object    `json:"after" doc:"What the fields are that changed, and what else is to be known"`
	PreviousHash Hash              `json:"previous_hash" doc:"Hash of the event before; zeros for the first"`
	Hash         Hash              `json:"hash" doc:"SHA-256 of the canonical form (docs/audit.md)"`
}

// canonicalVersion begins every canonical form.
const canonicalVersion = "maestro audit event 1"

// AppendCanonical appends what the hash is made of: canonicalVersion and then
// every field but ID and Hash, in the order of the struct, each behind its length
// in bytes as four bytes, big-endian. Ids are 16 bytes, or none where they are
// null; Sequence and Time (microseconds since 1970, UTC) eight bytes, big-endian;
// text is UTF-8; Before and After are their JSON as it stands, or none for {}.
func (e *Event) AppendCanonical(b []byte) []byte {
	b = appendField(b, canonicalVersion)
	b = appendID(b, e.TenantID)
	b = appendInt(b, e.Sequence)
	b = appendInt(b, int64(e.Time))
	b = appendField(b, e.ActorKind)
	b = appendID(b, e.ActorID)
	b = appendID(b, e.CredentialID)
	b = appendField(b, e.Address)
	b = appendField(b, e.RequestID)
	b = appendField(b, e.Action)
	b = appendField(b, e.Object)
	b = appendField(b, e.Outcome)
	b = appendObject(b, e.Before)
	b = appendObject(b, e.After)
	return appendField(b, e.PreviousHash[:])
}

func appendField[T ~string | ~[]byte](b []byte, field T) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(field)))
	return append(b, field...)
}

func appendInt(b []byte, n int64) []byte {
	b = binary.BigEndian.AppendUint32(b, 8)
	return binary.BigEndian.AppendUint64(b, uint64(n))
}

func appendID(b []byte, id *tenancy.ID) []byte {
	if id == nil {
		return appendField(b, "")
	}
	return appendField(b, id[:])
}

func appendObject(b []byte, o tenancy.Object) []byte {
	if string(o) == "{}" {
		o = nil
	}
	return appendField(b, o)
}

// Sum returns the hash that the event must have. scratch may be nil; its memory is
// used.
func (e *Event) Sum(scratch []byte) Hash { return sha256.Sum256(e.AppendCanonical(scratch[:0])) }

// EventID returns the id of an event: a UUIDv7 of its time and the beginning of its
// hash.
func EventID(at tenancy.Time, hash Hash) (id tenancy.ID) {
	binary.BigEndian.PutUint64(id[:8], uint64(int64(at)/1000)<<16)
	copy(id[6:], hash[:10])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// AppendJSON appends the event as encoding/json would write it.
func (e *Event) AppendJSON(b []byte) []byte {
	b = append(b, `{"id":`...)
	b = e.ID.AppendJSON(b)
	b = tenancy.AppendJSONOrNull(append(b, `,"tenant_id":`...), e.TenantID)
	b = strconv.AppendInt(append(b, `,"sequence":`...), e.Sequence, 10)
	b = e.Time.AppendJSON(append(b, `,"time":`...))
	b = tenancy.AppendJSONString(append(b, `,"actor_kind":`...), string(e.ActorKind))
	b = tenancy.AppendJSONOrNull(append(b, `,"actor_id":`...), e.ActorID)
	b = tenancy.AppendJSONOrNull(append(b, `,"credential_id":`...), e.CredentialID)
	b = tenancy.AppendJSONString(append(b, `,"address":`...), e.Address)
	b = tenancy.AppendJSONString(append(b, `,"request_id":`...), e.RequestID)
	b = tenancy.AppendJSONString(append(b, `,"action":`...), string(e.Action))
	b = tenancy.AppendJSONString(append(b, `,"object":`...), e.Object)
	b = tenancy.AppendJSONString(append(b, `,"outcome":`...), string(e.Outcome))
	b = e.Before.AppendJSON(append(b, `,"before":`...))
	b = e.After.AppendJSON(append(b, `,"after":`...))
	b = hex.AppendEncode(append(b, `,"previous_hash":"`...), e.PreviousHash[:])
	b = hex.AppendEncode(append(b, `","hash":"`...), e.Hash[:])
	return append(b, `"}`...)
}
