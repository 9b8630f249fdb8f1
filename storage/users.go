package storage

import (
	"context"
	"errors"
	"slices"
	"strings"

	"maestro/audit"
	"maestro/auth"
	"maestro/problem"
	"maestro/tenancy"
)

const userColumns = `id, tenant_id, email, name, is_active, is_operator, is_service, metadata, password_hash IS NOT NULL,
	last_login_at, password_changed_at, created_at, updated_at, version,
	(SELECT string_agg(role, ' ') FROM user_roles WHERE user_roles.tenant_id = users.tenant_id AND user_roles.user_id = users.id)`

const (
	selectUser = `SELECT ` + userColumns + ` FROM users WHERE tenant_id = $1 AND id = $2`

	selectUserByEmail = `SELECT id FROM users WHERE tenant_id = $1 AND email_key = $2`

	insertUser = `INSERT INTO users (tenant_id, id, email, email_key, name, password_hash, is_active, is_operator, is_service, password_changed_at,
		metadata, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)`

	updateUser = `UPDATE users SET email = $3, email_key = $4, name = $5, is_active = $6, is_operator = $7, metadata = $8, updated_at = $9,
		version = version + 1 WHERE tenant_id = $1 AND id = $2`

	promoteUser = `UPDATE users SET is_active = 1, is_operator = 1, updated_at = $3, version = version + 1 WHERE tenant_id = $1 AND id = $2`

	deleteUser = `DELETE FROM users WHERE tenant_id = $1 AND id = $2`

	// A team member outlives the account.
	forgetMembersUser = `UPDATE team_members SET user_id = NULL, updated_at = $3, revision = revision + 1 WHERE tenant_id = $1 AND user_id = $2`

	raiseUserEpoch = `UPDATE users SET epoch = epoch + 1 WHERE tenant_id = $1 AND id = $2`

	insertUserRole  = `INSERT INTO user_roles (tenant_id, user_id, role) VALUES ($1, $2, $3) ON CONFLICT (tenant_id, user_id, role) DO NOTHING`
	deleteUserRoles = `DELETE FROM user_roles WHERE tenant_id = $1 AND user_id = $2`

	// What a request must know of its user, a row for each role.
	selectUserState = `SELECT u.is_active, u.is_operator, u.epoch, r.role, o.permissions
		FROM users u LEFT JOIN user_roles r ON r.tenant_id = u.tenant_id AND r.user_id = u.id
		LEFT JOIN roles o ON o.tenant_id = r.tenant_id AND o.name = r.role
		WHERE u.tenant_id = $1 AND u.id = $2`

	// A tenant_admin who can log in.
	selectAdmin = `SELECT 1 FROM user_roles r JOIN users u ON u.tenant_id = r.tenant_id AND u.id = r.user_id
		WHERE r.tenant_id = $1 AND r.role = $2 AND u.is_active = 1 AND u.password_hash IS NOT NULL LIMIT 1`
)

var userList = listing{
	name:    "users",
	columns: userColumns,
	from:    "users",
	owned:   true,
	order:   "name",
	sorts: map[string]sortKey{
		"created_at": {expression: "created_at", kind: sortTime},
		"name":       {expression: "name", kind: sortText},
		"email":      {expression: "email_key", kind: sortText},
	},
}

// UserFilter narrows a list of users. Zero fields do not narrow.
type UserFilter struct {
	Role     string
	IsActive *bool
}

func (f *UserFilter) conditions() []filter {
	var filters []filter
	if f.Role != "" {
		filters = append(filters, filter{"id IN (SELECT user_id FROM user_roles WHERE user_roles.tenant_id = $1 AND role = %s)", f.Role})
	}
	if f.IsActive != nil {
		filters = append(filters, filter{"is_active = %s", *f.IsActive})
	}
	return filters
}

// User returns a user of the tenant.
func (t *Tenant) User(ctx context.Context, id tenancy.ID) (user auth.User, err error) {
	err = t.read(ctx, func(c *conn) error {
		user, err = userByKey(c, auth.UserKey{Tenant: t.scope.Tenant(), User: id})
		return err
	})
	return user, err
}

// Users returns one page of the tenant's users.
func (t *Tenant) Users(ctx context.Context, page Page, f UserFilter) (list List[auth.User], err error) {
	list.Items = []auth.User{}
	list.Next, err = userList.page(ctx, t.Store, t.scope.Tenant(), page, narrowed{filters: f.conditions()}, func(r row) {
		list.Items = append(list.Items, readUser(r))
	})
	return list, err
}

// UserState implements auth.StateStore.
func (s *Store) UserState(ctx context.Context, key auth.UserKey) (state auth.UserState, err error) {
	found := false
	err = s.read(ctx, func(c *conn) error {
		return c.query(context.Background(), selectUserState, []any{key.Tenant, key.User}, func(r row) error {
			found = true
			state.Active, state.Operator, state.Epoch = r.bool(0), r.bool(1), r.int(2)
			switch {
			case !r.null(4):
				state.Grants |= decodeGrants(r.text(4))
			case !r.null(3):
				grants, _ := auth.SystemRole(r.text(3))
				state.Grants |= grants
			}
			return nil
		})
	})
	if err == nil && !found {
		err = notFound(errNoRow, "user")
	}
	return state, err
}

// CreateUser implements auth.UserStore.
func (s *Store) CreateUser(ctx context.Context, scope tenancy.Scope, u auth.NewUser, decide func(auth.RoleBook) error) (user auth.User, err error) {
	err = s.writeAs(ctx, scope, func(tx *Tx) error {
		roles, err := roleBook(tx.conn, scope.Tenant())
		if err != nil {
			return err
		}
		if err := decide(roles); err != nil {
			return err
		}
		if user, err = s.addUser(tx, scope.Tenant(), &u); err != nil {
			return err
		}
		return recordNewUser(tx, &user, u.Invitation)
	})
	return user, err
}

// addUser inserts a user within the tenant's limit.
func (s *Store) addUser(tx *Tx, tenant tenancy.ID, u *auth.NewUser) (auth.User, error) {
	if err := tx.take(tenant, users, takeUsers, 1); err != nil {
		return auth.User{}, err
	}
	return s.insertUser(tx, tenant, u)
}

func (s *Store) insertUser(tx *Tx, tenant tenancy.ID, u *auth.NewUser) (auth.User, error) {
	key := auth.UserKey{Tenant: tenant, User: u.ID}
	var hash *string
	var changed *tenancy.Time
	if u.PasswordHash != "" {
		hash, changed = &u.PasswordHash, &u.Now
	}
	_, err := tx.exec(insertUser, tenant, u.ID, u.Email, u.EmailKey, u.Name, hash, u.IsActive, u.IsOperator, u.IsService, changed,
		encodeObject(u.Metadata), u.Now)
	if violates(err, uniqueViolation) {
		err = problem.Wrap(err, problem.Conflict, "A user of that e-mail exists.")
	}
	if err != nil {
		return auth.User{}, err
	}
	if err := insertUserRoles(tx, key, u.Roles); err != nil {
		return auth.User{}, err
	}
	if u.Invitation != nil {
		if err := putLink(tx, tenant, u.Invitation); err != nil {
			return auth.User{}, err
		}
	}
	s.userChanged(tx, key)
	return userByKey(tx.conn, key)
}

// recordNewUser records a user who is new, with how the user is to log in.
func recordNewUser(tx *Tx, user *auth.User, invitation *auth.Link) error {
	changes := userChanges(nil, user).Bool("has_password", false, user.HasPassword)
	if invitation != nil {
		changes.Note("link", string(invitation.Kind))
	}
	return tx.record(user.TenantID, audit.UserCreate, user.ID.String(), changes)
}

func insertUserRoles(tx *Tx, key auth.UserKey, roles []string) error {
	for _, role := range roles {
		if _, err := tx.exec(insertUserRole, key.Tenant, key.User, role); err != nil {
			return err
		}
	}
	return nil
}

// ChangeUser implements auth.UserStore.
func (s *Store) ChangeUser(ctx context.Context, scope tenancy.Scope, id tenancy.ID, now tenancy.Time, decide func(auth.UserView) (auth.UserChange, error)) (user auth.User, err error) {
	key := auth.UserKey{Tenant: scope.Tenant(), User: id}
	err = s.writeAs(ctx, scope, func(tx *Tx) error {
		before, err := userView(tx.conn, key)
		if err != nil {
			return err
		}
		held := heldBy(&before.User)
		given := before
		given.User.Roles = slices.Clone(before.User.Roles) // decoders write into the slices they find
		change, err := decide(given)
		if err != nil {
			return err
		}
		f := &change.Fields
		_, err = tx.exec(updateUser, key.Tenant, key.User, f.Email, change.EmailKey, f.Name, f.IsActive, f.IsOperator, encodeObject(f.Metadata), now)
		if violates(err, uniqueViolation) {
			err = problem.Wrap(err, problem.Conflict, "A user of that e-mail exists.")
		}
		if err != nil {
			return err
		}
		if _, err := tx.exec(deleteUserRoles, key.Tenant, key.User); err != nil {
			return err
		}
		if err := insertUserRoles(tx, key, f.Roles); err != nil {
			return err
		}
		if change.EndSessions {
			if _, err := tx.exec(raiseUserEpoch, key.Tenant, key.User); err != nil {
				return err
			}
		}
		if err := held.keep(tx); err != nil {
			return err
		}
		s.userChanged(tx, key)
		if user, err = userByKey(tx.conn, key); err != nil {
			return err
		}
		return tx.record(key.Tenant, audit.UserUpdate, id.String(), userChanges(&before.User, &user).Bool("sessions_ended", false, change.EndSessions))
	})
	return user, err
}

// offices are what a user held who could log in, and what must not stay empty.
type offices struct {
	tenant          tenancy.ID
	admin, operator bool
}

func heldBy(user *auth.User) offices {
	able := user.IsActive && user.HasPassword
	return offices{user.TenantID, able && slices.Contains(user.Roles, auth.RoleTenantAdmin), able && user.IsOperator}
}

// keep refuses a change after which the tenant has no tenant_admin who can log in,
// or the installation no operator, if the user was one before.
func (o offices) keep(tx *Tx) error {
	if o.admin {
		remains, err := tx.exists(selectAdmin, o.tenant, auth.RoleTenantAdmin)
		if err != nil {
			return err
		}
		if !remains {
			return problem.New(problem.Conflict, "The tenant must keep an active tenant_admin who has a password.")
		}
	}
	return keepOperator(tx, o.operator)
}

// DeleteUser implements auth.UserStore.
func (s *Store) DeleteUser(ctx context.Context, scope tenancy.Scope, id tenancy.ID, decide func(auth.UserView) error) error {
	key := auth.UserKey{Tenant: scope.Tenant(), User: id}
	return s.writeAs(ctx, scope, func(tx *Tx) error {
		before, err := userView(tx.conn, key)
		if err != nil {
			return err
		}
		if err := decide(before); err != nil {
			return err
		}
		if _, err := tx.exec(forgetMembersUser, key.Tenant, key.User, tx.Now); err != nil {
			return err
		}
		if _, err := tx.exec(deleteUser, key.Tenant, key.User); err != nil {
			return err
		}
		if _, err := tx.exec(giveUsers, key.Tenant, 1); err != nil {
			return err
		}
		s.userChanged(tx, key)
		if err := heldBy(&before.User).keep(tx); err != nil {
			return err
		}
		return tx.record(key.Tenant, audit.UserDelete, id.String(), userChanges(&before.User, nil))
	})
}

func userByKey(c *conn, key auth.UserKey) (user auth.User, err error) {
	err = c.queryRow(selectUser, []any{key.Tenant, key.User}, func(r row) { user = readUser(r) })
	return user, notFound(err, "user")
}

// userView reads a user with what decides about it.
func userView(c *conn, key auth.UserKey) (view auth.UserView, err error) {
	if view.User, err = userByKey(c, key); err != nil {
		return view, err
	}
	if view.Roles, err = roleBook(c, key.Tenant); err != nil {
		return view, err
	}
	view.Grants, err = view.Roles.Grants(view.User.Roles)
	return view, err
}

func readUser(r row) auth.User {
	user := auth.User{
		ID: r.id(0), TenantID: r.id(1),
		UserFields: auth.UserFields{
			Email: r.text(2), Name: r.text(3), Roles: []string{}, IsActive: r.bool(4), IsOperator: r.bool(5), IsService: r.bool(6), Metadata: r.object(7),
		},
		HasPassword: r.bool(8), LastLoginAt: r.nullTime(9), PasswordChangedAt: r.nullTime(10),
		CreatedAt: r.time(11), UpdatedAt: r.time(12), Version: r.int(13),
	}
	if !r.null(14) {
		user.Roles = strings.Fields(r.text(14))
		slices.Sort(user.Roles)
	}
	return user
}

// exists reports whether a query finds anything.
func (c *conn) exists(query string, args ...any) (bool, error) {
	err := c.queryRow(query, args, func(row) {})
	if errors.Is(err, errNoRow) {
		return false, nil
	}
	return err == nil, err
}
