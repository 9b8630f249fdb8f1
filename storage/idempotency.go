package storage

import (
	"bytes"
	"errors"
	"time"

	"maestro/problem"
	"maestro/tenancy"
)

// Idempotency identifies a create that the caller may repeat. The zero value
// means that it may not.
type Idempotency struct {
	Key         string // of the caller's making, 1..255 characters
	Fingerprint []byte // of the request: the same key with another one is refused
}

// idempotencyLife is how long a key is remembered.
const idempotencyLife = 24 * time.Hour

// replayed returns the id of what the same request made before, if it did.
func (t *Tenant) replayed(tx *Tx, request Idempotency) (made tenancy.ID, found bool, err error) {
	if request.Key == "" {
		return made, false, nil
	}
	var fingerprint []byte
	err = tx.queryRow(`SELECT object_id, fingerprint FROM idempotency_keys WHERE tenant_id = $1 AND actor_id = $2 AND key = $3 AND created_at > $4`,
		[]any{t.scope.Tenant(), t.scope.Actor().ID, request.Key, tx.Now - tenancy.Time(idempotencyLife/time.Microsecond)},
		func(r row) { made, fingerprint = r.id(0), r.bytes(1) })
	if errors.Is(err, errNoRow) {
		return made, false, nil
	}
	if err == nil && !bytes.Equal(fingerprint, request.Fingerprint) {
		err = problem.New(problem.IdempotencyMismatch, "This Idempotency-Key was used with another request.")
	}
	return made, err == nil, err
}

// remember records what a request made, in the transaction that made it.
func (t *Tenant) remember(tx *Tx, request Idempotency, made tenancy.ID) error {
	if request.Key == "" {
		return nil
	}
	_, err := tx.exec(`INSERT INTO idempotency_keys (tenant_id, actor_id, key, fingerprint, object_id, created_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (tenant_id, actor_id, key) DO UPDATE SET fingerprint = excluded.fingerprint, object_id = excluded.object_id, created_at = excluded.created_at`,
		t.scope.Tenant(), t.scope.Actor().ID, request.Key, request.Fingerprint, made, tx.Now)
	return err
}
