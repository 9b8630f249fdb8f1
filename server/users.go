package server

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"maestro/auth"
	"maestro/storage"
	"maestro/tenancy"
)

// UserPath names a user.
type UserPath struct {
	ID tenancy.ID `path:"id" doc:"The user"`
}

func (s *Server) userRoutes() {
	const tag = "users"
	handle(s, route{method: http.MethodGet, path: "/users", access: auth.Requires(auth.UsersView), id: "listUsers", tag: tag,
		summary: "List the tenant's users"}, s.listUsers)
	handle(s, route{method: http.MethodPost, path: "/users", access: auth.Requires(auth.UsersCreate), id: "createUser", tag: tag,
		summary: "Create a user", text: "Without a password the answer has an invitation to hand to the user, who sets one with it. It is shown once.",
		status: http.StatusCreated}, s.createUser)
	handle(s, route{method: http.MethodGet, path: "/users/{id}", access: auth.Requires(auth.UsersView), id: "getUser", tag: tag,
		summary: "Read a user"}, s.getUser)
	handle(s, route{method: http.MethodPatch, path: "/users/{id}", access: auth.Requires(auth.UsersUpdate), id: "updateUser", tag: tag,
		summary: "Change a user", text: "Members that are absent stay as they are; roles and metadata are replaced whole. Losing a permission or being deactivated ends all sessions."}, s.updateUser)
	handle(s, route{method: http.MethodDelete, path: "/users/{id}", access: auth.Requires(auth.UsersDelete), id: "deleteUser", tag: tag,
		summary: "Delete a user with sessions and API tokens", text: "What the user recorded stays.", status: http.StatusNoContent}, s.deleteUser)
	handle(s, route{method: http.MethodPost, path: "/users/{id}/revoke", access: auth.Requires(auth.UsersUpdate), id: "revokeUser", tag: tag,
		summary: "End every session of a user and delete the user's API tokens", status: http.StatusNoContent}, s.revokeUser)
	handle(s, route{method: http.MethodPost, path: "/users/{id}/password-reset", access: auth.Requires(auth.UsersUpdate), id: "resetPassword", tag: tag,
		summary: "Make a one-time token with which a user sets a new password", text: "Hand it to the user. It is shown once; the old password works until it is used.",
		status: http.StatusCreated}, s.resetPassword)
}

type listUsersInput struct {
	PageParams
	Sort     string         `query:"sort" default:"name" enum:"name,-name,email,-email,created_at,-created_at"`
	Role     string         `query:"role" maxLength:"63" doc:"Only users who have this role"`
	IsActive optional[bool] `query:"is_active" doc:"Only users who are active, or who are not"`
}

func (s *Server) listUsers(ctx context.Context, in *listUsersInput) (*listOutput[auth.User], error) {
	users, err := s.store.Tenant(who(ctx).Scope).Users(ctx, in.page(in.Sort), storage.UserFilter{Role: in.Role, IsActive: in.IsActive.pointer()})
	if err != nil {
		return nil, err
	}
	return &listOutput[auth.User]{Body: newList(users)}, nil
}

// newUser is what POST /users takes.
type newUser struct {
	auth.UserFields
	Password string `json:"password,omitempty" doc:"Left out, the user is invited to set one"`
}

type createUserInput struct {
	Body creation[newUser]

	user newUser
}

func (in *createUserInput) Resolve(ctx huma.Context) []error {
	in.user.IsActive = true
	return in.Body.onto(ctx, &in.user)
}

func (s *Server) createUser(ctx context.Context, in *createUserInput) (*createdResource[auth.Invited], error) {
	invited, err := s.auth.CreateUser(ctx, who(ctx), in.user.UserFields, in.user.Password)
	if err != nil {
		return nil, err
	}
	return made(&invited, invited.User.Version, "/users/"+invited.User.ID.String(), false), nil
}

// userTag is the validator of a user, who shows when they last logged in.
func userTag(user *auth.User) string {
	if user.LastLoginAt == nil {
		return etag(user.Version)
	}
	return etagWith(user.Version, int64(*user.LastLoginAt))
}

func (s *Server) getUser(ctx context.Context, in *struct {
	UserPath
	IfNoneMatch
}) (*resource[auth.User], error) {
	user, err := s.store.Tenant(who(ctx).Scope).User(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return shownAs(&user, userTag(&user), in.IfNoneMatch), nil
}

func (s *Server) updateUser(ctx context.Context, in *struct {
	UserPath
	IfMatch
	Body patch[auth.UserFields]
}) (*resource[auth.User], error) {
	match, err := in.match()
	if err != nil {
		return nil, err
	}
	user, err := s.auth.UpdateUser(ctx, who(ctx), in.ID, func(user auth.User) (auth.UserFields, error) {
		if err := match.Check(user.Version); err != nil {
			return auth.UserFields{}, err
		}
		fields := user.UserFields
		fields.Roles = slices.Clone(fields.Roles)
		return fields, in.Body.onto(&fields)
	})
	if err != nil {
		return nil, err
	}
	return shownAs(&user, userTag(&user), IfNoneMatch{}), nil
}

func (s *Server) deleteUser(ctx context.Context, in *struct {
	UserPath
	IfMatch
}) (*struct{}, error) {
	match, err := in.match()
	if err != nil {
		return nil, err
	}
	return nil, s.auth.DeleteUser(ctx, who(ctx), in.ID, func(user auth.User) error { return match.Check(user.Version) })
}

func (s *Server) revokeUser(ctx context.Context, in *struct{ UserPath }) (*struct{}, error) {
	return nil, s.auth.RevokeUser(ctx, who(ctx), in.ID)
}

// passwordReset is a one-time token, shown once.
type passwordReset struct {
	Token     string       `json:"token" doc:"For POST /auth/redeem. It is shown here only"`
	ExpiresAt tenancy.Time `json:"expires_at"`
}

func (s *Server) resetPassword(ctx context.Context, in *struct{ UserPath }) (*struct{ Body *passwordReset }, error) {
	token, expires, err := s.auth.ResetPassword(ctx, who(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	return &struct{ Body *passwordReset }{&passwordReset{token, expires}}, nil
}
