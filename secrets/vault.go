package secrets

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"maestro/problem"
)

// Vault says how a HashiCorp Vault, or an OpenBao, is reached: by a token, or by
// the role and secret id of an AppRole.
type Vault struct {
	Address   string // URL; "" for none
	Roots     string // file of the authorities of its certificate (PEM); the system's unless set
	Namespace string
	Token     string
	RoleID    string
	SecretID  string
	AuthMount string // of the AppRole method; approle unless set
}

// expiryMargin is how long before its end a token is taken for one that ended.
const expiryMargin = 5 * time.Second

// vault is one that is spoken to.
type vault struct {
	*endpoint
	settings  Vault
	token     string
	until     time.Time // when the token ends; zero for one that was given
	documents map[string]map[string]any
}

func (r *Reader) openVault() (*vault, error) {
	s := r.config.Vault
	if s.Address == "" {
		return nil, problem.New(problem.Malformed, "vault-address does not say where Vault is")
	}
	role := s.RoleID != "" || s.SecretID != ""
	switch {
	case s.Token == "" && (s.RoleID == "" || s.SecretID == ""):
		return nil, problem.New(problem.Malformed, "vault-token is not set, nor vault-role-id with vault-secret-id")
	case s.Token != "" && role:
		return nil, problem.New(problem.Malformed, "vault-token and vault-role-id with vault-secret-id: one of them, not both")
	}
	err := errors.Join(header("vault-token", s.Token), header("vault-namespace", s.Namespace))
	if err != nil {
		return nil, err
	}
	if s.AuthMount == "" {
		s.AuthMount = "approle"
	}
	if !isPath(s.AuthMount) {
		return nil, problem.New(problem.Malformed, "vault-auth-mount is no path")
	}
	at, err := newEndpoint("Vault", "vault", "vault-address", s.Address, s.Roots, &r.config)
	if err != nil {
		return nil, err
	}
	return &vault{endpoint: at, settings: s, token: s.Token, documents: make(map[string]map[string]any)}, nil
}

func (r *Reader) fromVault(ctx context.Context, ref reference) (string, error) {
	if r.vault == nil {
		opened, err := r.openVault()
		if err != nil {
			return "", err
		}
		r.vault = opened
	}
	members, err := r.vault.read(ctx, ref)
	if err != nil {
		return "", err
	}
	return member(members, ref.key)
}

// read returns the members of a secret. A token of an AppRole that ended meanwhile
// is replaced once.
func (v *vault) read(ctx context.Context, ref reference) (map[string]any, error) {
	target := v.url(ref.mount + "/data/" + ref.path)
	if ref.version > 0 {
		target.RawQuery = "version=" + strconv.Itoa(ref.version)
	}
	if members, known := v.documents[target.String()]; known {
		return members, nil
	}
	fresh, err := v.logIn(ctx)
	if err != nil {
		return nil, err
	}
	members, err := v.get(ctx, target, ref)
	if problem.CodeOf(err) == problem.Forbidden && v.settings.RoleID != "" && !fresh {
		v.token = ""
		if _, err := v.logIn(ctx); err != nil {
			return nil, err
		}
		members, err = v.get(ctx, target, ref)
	}
	if err != nil {
		return nil, err
	}
	v.documents[target.String()] = members
	return members, nil
}

// url returns the URL of a path of the API, whose segments stay what they are.
func (v *vault) url(path string) *url.URL {
	segments := strings.Split(path, "/")
	for i := range segments {
		segments[i] = url.PathEscape(segments[i])
	}
	return v.base.JoinPath("v1", strings.Join(segments, "/"))
}

func (v *vault) request(ctx context.Context, method string, target *url.URL, body []byte) (*http.Request, error) {
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, target.String(), content)
	if err != nil {
		return nil, v.refuse(problem.Malformed, "cannot be asked for this path")
	}
	r.Header.Set("X-Vault-Request", "true") // an agent between may demand it, against forged requests
	if v.settings.Namespace != "" {
		r.Header.Set("X-Vault-Namespace", v.settings.Namespace)
	}
	if v.token != "" {
		r.Header.Set("X-Vault-Token", v.token)
	}
	return r, nil
}

// logIn sees to it that there is a token, and tells whether it is a new one.
func (v *vault) logIn(ctx context.Context) (fresh bool, err error) {
	if v.token != "" && (v.until.IsZero() || v.config.Now().Before(v.until)) {
		return false, nil
	}
	v.token = ""
	body, err := json.Marshal(map[string]string{"role_id": v.settings.RoleID, "secret_id": v.settings.SecretID})
	if err != nil {
		panic("secrets: encode a login: " + err.Error()) // strings always encode
	}
	target := v.url("auth/" + v.settings.AuthMount + "/login")
	err = v.ask(ctx, func(ctx context.Context) (*http.Request, error) {
		return v.request(ctx, http.MethodPost, target, body)
	}, func(a *answer) error {
		var login struct {
			Auth struct {
				Token string `json:"client_token"`
				Life  int64  `json:"lease_duration"` // seconds; 0 for as long as Vault likes
			} `json:"auth"`
		}
		switch {
		case a.status == http.StatusBadRequest || a.status == http.StatusForbidden:
			return v.refuse(problem.Forbidden, "refuses the AppRole: look at vault-role-id, vault-secret-id (it may have expired or been used up) and vault-auth-mount")
		case a.status == http.StatusNotFound:
			return v.refuse(problem.NotFound, "has no AppRole method there (vault-auth-mount)")
		case a.status != http.StatusOK:
			return v.judge(a)
		case json.Unmarshal(a.body, &login) != nil:
			return v.refuse(problem.Malformed, "answered the login with what is no whole JSON document")
		case login.Auth.Token == "" || header("", login.Auth.Token) != nil:
			return v.refuse(problem.Malformed, "answered the login without a token")
		}
		v.token, v.until = login.Auth.Token, time.Time{}
		if login.Auth.Life > 0 {
			v.until = v.config.Now().Add(min(time.Duration(login.Auth.Life), 365*24*time.Hour/time.Second)*time.Second - expiryMargin)
		}
		return nil
	})
	return err == nil, err
}

// document is the answer to the read of a secret, and the one that says that there
// is none: a version that was deleted has metadata and no data.
type document struct {
	Data *struct {
		Data     map[string]any `json:"data"`
		Metadata *struct {
			Deleted   string `json:"deletion_time"`
			Destroyed bool   `json:"destroyed"`
		} `json:"metadata"`
	} `json:"data"`
	Errors []string `json:"errors"`
}

func (v *vault) get(ctx context.Context, target *url.URL, ref reference) (members map[string]any, err error) {
	err = v.ask(ctx, func(ctx context.Context) (*http.Request, error) {
		return v.request(ctx, http.MethodGet, target, nil)
	}, func(a *answer) error {
		if a.status != http.StatusOK && a.status != http.StatusNotFound {
			return v.judge(a)
		}
		var d document
		if json.Unmarshal(a.body, &d) != nil {
			return v.refuse(problem.Malformed, "answered with what is no whole JSON document")
		}
		if a.status == http.StatusNotFound {
			return v.missing(&d, ref)
		}
		if d.Data == nil || d.Data.Data == nil || d.Data.Metadata == nil {
			return v.refuse(problem.Malformed, "answered without the data of a secret: the mount %s is no KV of version 2", ref.mount)
		}
		members = d.Data.Data
		return nil
	})
	return members, err
}

// missing tells the three kinds of 404 apart by their form.
func (v *vault) missing(d *document, ref reference) error {
	switch {
	case d.Data != nil && d.Data.Metadata != nil && d.Data.Metadata.Destroyed:
		return v.refuse(problem.NotFound, "has the secret, and this version of it was destroyed")
	case d.Data != nil && d.Data.Metadata != nil && d.Data.Metadata.Deleted != "":
		return v.refuse(problem.NotFound, "has the secret, and this version of it was deleted: undelete it, or write a new one")
	case len(d.Errors) > 0:
		return v.refuse(problem.NotFound, "has nothing mounted at %s", ref.mount)
	}
	return v.refuse(problem.NotFound, "has no such secret in %s, or no such version of it", ref.mount)
}

// judge says what a status means that is no answer.
func (v *vault) judge(a *answer) error {
	switch {
	case a.status == http.StatusForbidden || a.status == http.StatusUnauthorized:
		return v.refuse(problem.Forbidden, "refuses the token for this path: it has expired, or its policies do not permit read (403)")
	case a.status == http.StatusServiceUnavailable:
		return v.busy(a, "is sealed or not ready (503): unseal it")
	case a.status == http.StatusTooManyRequests:
		return v.busy(a, "has had too many requests (429)")
	case a.status == http.StatusPreconditionFailed || a.status == 472 || a.status == 473:
		return v.busy(a, "is a standby that does not have this yet (%d)", a.status)
	case a.status >= 500:
		return v.busy(a, "failed (%d)", a.status)
	}
	return v.refuse(problem.Malformed, "does not take the request (%d): look at vault-address and vault-namespace", a.status)
}
