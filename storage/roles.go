package storage

import (
	"context"
	"encoding/json"
	"slices"

	"maestro/audit"
	"maestro/auth"
	"maestro/problem"
	"maestro/tenancy"
)

const roleColumns = `name, description, permissions, created_at, updated_at, version`

const (
	selectRoles = `SELECT ` + roleColumns + ` FROM roles WHERE tenant_id = $1 ORDER BY name`

	selectRole = `SELECT ` + roleColumns + ` FROM roles WHERE tenant_id = $1 AND name = $2`

	countRoles = `SELECT count(*) FROM roles WHERE tenant_id = $1`

	insertRole = `INSERT INTO roles (tenant_id, name, description, permissions, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $5)`

	updateRole = `UPDATE roles SET description = $3, permissions = $4, updated_at = $5, version = version + 1 WHERE tenant_id = $1 AND name = $2`

	deleteRole = `DELETE FROM roles WHERE tenant_id = $1 AND name = $2`

	selectRoleUser = `SELECT 1 FROM user_roles WHERE tenant_id = $1 AND role = $2 LIMIT 1`
)

// Roles implements auth.RoleStore.
func (s *Store) Roles(ctx context.Context, scope tenancy.Scope) (roles []auth.Role, err error) {
	err = s.read(ctx, func(c *conn) error {
		return c.query(context.Background(), selectRoles, []any{scope.Tenant()}, func(r row) error {
			roles = append(roles, readRole(r))
			return nil
		})
	})
	return roles, err
}

// roleBook reads what a tenant's own roles grant.
func roleBook(c *conn, tenant tenancy.ID) (auth.RoleBook, error) {
	book := auth.RoleBook{}
	err := c.query(context.Background(), selectRoles, []any{tenant}, func(r row) error {
		role := readRole(r)
		book[role.Name] = role.Grants
		return nil
	})
	return book, err
}

// CreateRole implements auth.RoleStore.
func (s *Store) CreateRole(ctx context.Context, scope tenancy.Scope, role auth.Role) (auth.Role, error) {
	err := s.writeAs(ctx, scope, func(tx *Tx) error {
		if err := tx.below("roles", auth.MaxRoles, countRoles, scope.Tenant()); err != nil {
			return err
		}
		_, err := tx.exec(insertRole, scope.Tenant(), role.Name, role.Description, encodeNames(role.Permissions), role.CreatedAt)
		if violates(err, uniqueViolation) {
			return problem.Wrap(err, problem.Conflict, "A role of that name exists.")
		}
		if err != nil {
			return err
		}
		return tx.record(scope.Tenant(), audit.RoleCreate, role.Name, roleChanges(nil, &role))
	})
	return role, err
}

// below answers limit-reached unless a count is below its limit.
func (tx *Tx) below(resource string, limit int64, count string, args ...any) error {
	var current int64
	if err := tx.queryRow(count, args, func(r row) { current = r.int(0) }); err != nil {
		return err
	}
	if current < limit {
		return nil
	}
	return &problem.Error{Code: problem.LimitReached, Limit: &problem.Limit{Resource: resource, Limit: limit, Current: current},
		Detail: "There are as many as there may be: delete one first."}
}

// ChangeRole implements auth.RoleStore.
func (s *Store) ChangeRole(ctx context.Context, scope tenancy.Scope, name string, now tenancy.Time, decide func(auth.Role) (auth.Role, error)) (role auth.Role, err error) {
	err = s.writeAs(ctx, scope, func(tx *Tx) error {
		before, err := roleByName(tx.conn, scope.Tenant(), name)
		if err != nil {
			return err
		}
		given := before
		given.Permissions = slices.Clone(before.Permissions) // decoders write into the slices they find
		if role, err = decide(given); err != nil {
			return err
		}
		role.UpdatedAt, role.Version = now, before.Version+1
		s.notify(tx, auth.Change{Kind: auth.RolesChanged, Tenant: scope.Tenant()})
		if _, err = tx.exec(updateRole, scope.Tenant(), name, role.Description, encodeNames(role.Permissions), now); err != nil {
			return err
		}
		return tx.record(scope.Tenant(), audit.RoleUpdate, name, roleChanges(&before, &role))
	})
	return role, err
}

// DeleteRole implements auth.RoleStore.
func (s *Store) DeleteRole(ctx context.Context, scope tenancy.Scope, name string, decide func(auth.Role) error) error {
	return s.writeAs(ctx, scope, func(tx *Tx) error {
		role, err := roleByName(tx.conn, scope.Tenant(), name)
		if err != nil {
			return err
		}
		if err := decide(role); err != nil {
			return err
		}
		used, err := tx.exists(selectRoleUser, scope.Tenant(), name)
		if err != nil {
			return err
		}
		if used {
			return problem.New(problem.Conflict, "Users have this role.")
		}
		s.notify(tx, auth.Change{Kind: auth.RolesChanged, Tenant: scope.Tenant()})
		if _, err = tx.exec(deleteRole, scope.Tenant(), name); err != nil {
			return err
		}
		return tx.record(scope.Tenant(), audit.RoleDelete, name, roleChanges(&role, nil))
	})
}

func roleByName(c *conn, tenant tenancy.ID, name string) (role auth.Role, err error) {
	err = c.queryRow(selectRole, []any{tenant, name}, func(r row) { role = readRole(r) })
	return role, notFound(err, "role")
}

func readRole(r row) auth.Role {
	grants := decodeGrants(r.text(2))
	return auth.Role{
		RoleFields: auth.RoleFields{Name: r.text(0), Description: r.text(1), Permissions: grants.Names()},
		Grants:     grants, CreatedAt: r.time(3), UpdatedAt: r.time(4), Version: r.int(5),
	}
}

func encodeNames(names []string) string {
	if len(names) == 0 {
		return "[]"
	}
	text, err := json.Marshal(names)
	if err != nil {
		panic("storage: " + err.Error()) // strings always encode
	}
	return string(text)
}

func decodeNames(text string) (names []string) {
	if err := json.Unmarshal([]byte(text), &names); err != nil {
		panic("storage: a list of names is damaged: " + err.Error())
	}
	return names
}

func decodeGrants(text string) auth.Permissions { return auth.PermissionsNamed(decodeNames(text)) }
