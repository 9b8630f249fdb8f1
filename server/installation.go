package server

import (
	"context"
	"net/http"
	"runtime"

	"maestro/audit"
	"maestro/auth"
	"maestro/tenancy"
)

// installationRoutes are the operator's: what runs, and the keys it signs with.
func (s *Server) installationRoutes() {
	const tag = "installation"
	handle(s, route{method: http.MethodGet, path: "/system/info", access: auth.Operator, id: "getSystemInfo", tag: tag,
		summary: "See what runs, since when, and how large it is"}, s.getSystemInfo)
	handle(s, route{method: http.MethodGet, path: "/system/keys", access: auth.Operator, id: "listSigningKeys", tag: tag,
		summary: "List the keys that access tokens are verified with, newest first",
		text:    "The first one signs. An older one goes when the last token that it signed has expired. The public halves are at /.well-known/jwks.json."}, s.listSigningKeys)
	handle(s, route{method: http.MethodPost, path: "/system/keys/rotate", access: auth.Operator, id: "rotateSigningKeys", tag: tag,
		summary: "Sign access tokens with a new key from now on", text: "No session ends: the old key's tokens stay valid until they expire.",
		status: http.StatusCreated}, s.rotateSigningKeys)
	handle(s, route{method: http.MethodDelete, path: "/system/keys/{kid}", access: auth.Operator, id: "retireSigningKey", tag: tag,
		summary: "Refuse a key's access tokens from now on, because it may be known to others",
		text:    "Their sessions stay: clients refresh. The key that signs cannot be retired: rotate the keys first.", status: http.StatusNoContent}, s.retireSigningKey)
	handle(s, route{method: http.MethodPost, path: "/system/unlock", access: auth.Operator, id: "unlockLogin", tag: tag,
		summary: "Forget the failed logins counted on an e-mail", text: "The next login with it is looked at without delay. A restart of the server forgets them all.",
		status: http.StatusNoContent}, s.unlockLogin)
}

// systemInfo is what an operator is told of the installation. It says nothing of
// what tenants own.
type systemInfo struct {
	Version       string       `json:"version"`
	GoVersion     string       `json:"go_version"`
	Platform      string       `json:"platform" doc:"Operating system and architecture"`
	StartedAt     tenancy.Time `json:"started_at"`
	SchemaVersion int64        `json:"schema_version" doc:"Of the database"`
	Tenants       int64        `json:"tenants"`
	DatabaseBytes int64        `json:"database_bytes" doc:"Of the database's file, without content"`
	LogBytes      int64        `json:"log_bytes" doc:"Of the write-ahead log's file; what it holds may be in the database's file already"`
	Revocations   int          `json:"revocations" doc:"Sessions and tokens ended whose access tokens have not all expired"`
	SigningKeys   int          `json:"signing_keys"`
}

func (s *Server) getSystemInfo(ctx context.Context, _ *struct{}) (*struct{ Body *systemInfo }, error) {
	extent, err := s.store.Extent(ctx)
	if err != nil {
		return nil, err
	}
	return &struct{ Body *systemInfo }{&systemInfo{
		Version: s.version, GoVersion: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		StartedAt: tenancy.TimeOf(s.started), SchemaVersion: s.store.Schema(),
		Tenants: extent.Tenants, DatabaseBytes: extent.DatabaseBytes, LogBytes: extent.LogBytes,
		Revocations: s.auth.Revocations(), SigningKeys: len(s.auth.Keys()),
	}}, nil
}

// signingKeys is all of them: there are few, each as old as its number says.
type signingKeys struct {
	Items []auth.SigningKey `json:"items" nullable:"false"`
}

func (s *Server) listSigningKeys(context.Context, *struct{}) (*struct{ Body *signingKeys }, error) {
	return &struct{ Body *signingKeys }{&signingKeys{s.auth.Keys()}}, nil
}

func (s *Server) rotateSigningKeys(ctx context.Context, _ *struct{}) (*struct{ Body *auth.SigningKey }, error) {
	key, err := s.auth.RotateKeys()
	if err != nil {
		return nil, err
	}
	return &struct{ Body *auth.SigningKey }{&key}, s.store.Record(ctx, audit.KeyRotate, key.ID, nil)
}

func (s *Server) retireSigningKey(ctx context.Context, in *struct {
	ID string `path:"kid" maxLength:"64" doc:"The key"`
}) (*struct{}, error) {
	if err := s.auth.RetireKey(in.ID); err != nil {
		return nil, err
	}
	return nil, s.store.Record(ctx, audit.KeyRetire, in.ID, nil)
}

type unlockRequest struct {
	Email string `json:"email" maxLength:"1016" doc:"As it is typed at the login"`
}

func (s *Server) unlockLogin(ctx context.Context, in *struct{ Body unlockRequest }) (*struct{}, error) {
	s.auth.Pardon(in.Body.Email)
	return nil, s.store.Record(ctx, audit.LoginUnlock, "", audit.Created().Text("email", "", in.Body.Email))
}
