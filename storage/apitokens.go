package storage

import (
	"context"
	"slices"

	"maestro/audit"
	"maestro/auth"
	"maestro/tenancy"
)

const apiTokenColumns = `id, user_id, name, scopes, created_by, created_at, expires_at, last_used_at, digest`

const (
	selectAPITokenState = `SELECT a.id, a.tenant_id, a.user_id, a.scopes, a.expires_at FROM api_tokens a WHERE a.digest = $1`

	selectAPIToken = `SELECT ` + apiTokenColumns + ` FROM api_tokens WHERE tenant_id = $1 AND id = $2`

	selectUserAPITokens = `SELECT ` + apiTokenColumns + ` FROM api_tokens WHERE tenant_id = $1 AND user_id = $2`

	countUserAPITokens = `SELECT count(*) FROM api_tokens WHERE tenant_id = $1 AND user_id = $2`

	insertAPIToken = `INSERT INTO api_tokens (tenant_id, id, user_id, name, digest, scopes, created_by, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

	deleteAPIToken = `DELETE FROM api_tokens WHERE tenant_id = $1 AND id = $2`

	touchAPIToken = `UPDATE api_tokens SET last_used_at = $3 WHERE tenant_id = $1 AND id = $2`
)

var apiTokenList = listing{
	name:    "api_tokens",
	columns: apiTokenColumns,
	from:    "api_tokens",
	owned:   true,
	order:   "-created_at",
	sorts:   map[string]sortKey{"created_at": {expression: "created_at", kind: sortTime}},
}

// APITokens returns one page of a user's API tokens or, for the zero id, of the
// tenant's.
func (t *Tenant) APITokens(ctx context.Context, page Page, user tenancy.ID) (list List[auth.APIToken], err error) {
	var filters []filter
	if !user.IsZero() {
		filters = []filter{{"user_id = %s", user}}
	}
	list.Items = []auth.APIToken{}
	list.Next, err = apiTokenList.page(ctx, t.Store, t.scope.Tenant(), page, narrowed{filters: filters}, func(r row) {
		list.Items = append(list.Items, readAPIToken(r))
	})
	return list, err
}

// APITokenState implements auth.StateStore.
func (s *Store) APITokenState(ctx context.Context, digest auth.Digest) (state auth.APITokenState, err error) {
	err = s.read(ctx, func(c *conn) error {
		return c.queryRow(selectAPITokenState, []any{digest[:]}, func(r row) {
			scopes := decodeNames(r.text(3))
			state = auth.APITokenState{
				ID: r.id(0), Tenant: r.id(1), User: r.id(2), Scopes: auth.PermissionsNamed(scopes),
				Operator: slices.Contains(scopes, auth.ScopeOperator), ExpiresAt: r.time(4).Std().Unix(),
			}
		})
	})
	return state, notFound(err, "API token")
}

// CreateAPIToken implements auth.APITokenStore.
func (s *Store) CreateAPIToken(ctx context.Context, scope tenancy.Scope, t auth.NewAPIToken, decide func(auth.UserView) error) (token auth.APIToken, err error) {
	err = s.writeAs(ctx, scope, func(tx *Tx) error {
		view, err := userView(tx.conn, auth.UserKey{Tenant: scope.Tenant(), User: t.User})
		if err != nil {
			return err
		}
		if err := decide(view); err != nil {
			return err
		}
		if err := tx.below("api_tokens", auth.MaxAPITokens, countUserAPITokens, scope.Tenant(), t.User); err != nil {
			return err
		}
		_, err = tx.exec(insertAPIToken, scope.Tenant(), t.ID, t.User, t.Name, t.Digest[:], encodeNames(auth.ScopeNames(t.Scopes, t.Operator)),
			t.CreatedBy, t.CreatedAt, t.ExpiresAt)
		if err != nil {
			return err
		}
		if token, _, err = apiTokenByID(tx.conn, scope.Tenant(), t.ID); err != nil {
			return err
		}
		return tx.record(scope.Tenant(), audit.APITokenCreate, t.ID.String(), apiTokenChanges(nil, &token))
	})
	return token, err
}

// DeleteAPIToken implements auth.APITokenStore.
func (s *Store) DeleteAPIToken(ctx context.Context, scope tenancy.Scope, id tenancy.ID, decide func(auth.APIToken) error) error {
	return s.writeAs(ctx, scope, func(tx *Tx) error {
		token, digest, err := apiTokenByID(tx.conn, scope.Tenant(), id)
		if err != nil {
			return err
		}
		if err := decide(token); err != nil {
			return err
		}
		if err := s.dropAPIToken(tx, scope.Tenant(), id, digest); err != nil {
			return err
		}
		return tx.record(scope.Tenant(), audit.APITokenDelete, id.String(), apiTokenChanges(&token, nil))
	})
}

// deleteUserTokens deletes every API token of a user and returns how many there were.
func (s *Store) deleteUserTokens(tx *Tx, key auth.UserKey) (int, error) {
	digests := make(map[tenancy.ID]auth.Digest)
	err := tx.query(context.Background(), selectUserAPITokens, []any{key.Tenant, key.User}, func(r row) error {
		digests[r.id(0)] = auth.Digest(r.bytes(8))
		return nil
	})
	for id, digest := range digests {
		if err == nil {
			err = s.dropAPIToken(tx, key.Tenant, id, digest)
		}
	}
	return len(digests), err
}

func (s *Store) dropAPIToken(tx *Tx, tenant, id tenancy.ID, digest auth.Digest) error {
	s.notify(tx, auth.Change{Kind: auth.APITokenChanged, Tenant: tenant, Token: digest})
	_, err := tx.exec(deleteAPIToken, tenant, id)
	return err
}

// touchSlice is how many uses of API tokens are stored in one write.
const touchSlice = 200

// TouchAPITokens implements auth.APITokenStore, in transactions of touchSlice.
func (s *Store) TouchAPITokens(ctx context.Context, uses []auth.APITokenUse) error {
	for slice := range slices.Chunk(uses, touchSlice) {
		err := s.writer.do(ctx, tenancy.ID{}, func(tx *Tx) error {
			for _, use := range slice {
				if _, err := tx.exec(touchAPIToken, use.Tenant, use.ID, use.At); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func apiTokenByID(c *conn, tenant, id tenancy.ID) (token auth.APIToken, digest auth.Digest, err error) {
	err = c.queryRow(selectAPIToken, []any{tenant, id}, func(r row) { token, digest = readAPIToken(r), auth.Digest(r.bytes(8)) })
	return token, digest, notFound(err, "API token")
}

func readAPIToken(r row) auth.APIToken {
	return auth.APIToken{
		ID: r.id(0), UserID: r.id(1), Name: r.text(2), Scopes: decodeNames(r.text(3)), CreatedBy: r.id(4), CreatedAt: r.time(5),
		ExpiresAt: r.time(6), LastUsedAt: r.nullTime(7),
	}
}
