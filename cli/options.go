package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"filippo.io/age"

	"maestro/auth"
	"maestro/problem"
	"maestro/server"
	"maestro/storage"
	"maestro/storage/archive"
)

// option is one setting. Its name is that of the flag; in the environment it is
// MAESTRO_NAME, in the configuration file name, with underscores in place of
// hyphens.
type option[S any] struct {
	name    string
	preset  string // the value unless set; "" for none
	unit    string // what the value is, for the help
	boolean bool   // a flag without a value
	secret  bool   // has no flag, and is never shown
	help    string
	apply   func(s *S, text string) error // reads the value into the settings
}

// ServeSettings are the settings of a server.
type ServeSettings struct {
	Data             string         // the data directory
	Listen           string         // host:port
	InsecureHTTP     bool           // listen beyond loopback without TLS
	BehindTLS        bool           // a proxy before the server ends TLS
	TrustedProxies   []netip.Prefix // whose X-Forwarded-For is believed
	RootSecret       []byte         // of the installation; nil for the one in the data directory
	AdminEmail       string         // of the first operator; "" for none
	AdminPassword    string         // of the first operator
	LogLevel         slog.Level     //
	LogFormat        string         // text or json
	DrainTimeout     time.Duration  // for requests under way when the server stops
	MetricsToken     string         // of who may read /metrics; "" for nobody
	BackupEvery      time.Duration  // between scheduled backups; 0 for none
	BackupKeep       storage.Retention
	BackupRecipients []age.Recipient // whom backups are encrypted for; none leaves them readable
	Demo             bool            // fill a new data directory with the demo
	Rates            server.Rates    // of requests
	TLS              TLSSettings

	PasswordLength int           // of the shortest password that may be set; 0 for auth's default
	HashCost       int           // of passwords; 0 for auth's default
	AuditRetention time.Duration // how long audit events are kept; 0 for ever
	KeyLife        time.Duration // after which a new key signs access tokens; 0 for never
}

// maxAuditDays is a century.
const maxAuditDays = 36_525

var serveOptions = slices.Concat([]option[ServeSettings]{
	{name: "data", preset: "./data", unit: "DIR", help: "data directory; made when missing", apply: func(s *ServeSettings, text string) error {
		if text == "" {
			return errors.New("must name a directory")
		}
		s.Data = text
		return nil
	}},
	{name: "listen", preset: "127.0.0.1:8080", unit: "HOST:PORT", help: "address to listen on; loopback only, unless there is --tls or --insecure-http", apply: func(s *ServeSettings, text string) error {
		address, err := parseListen(text)
		s.Listen = address
		return err
	}},
	{name: "insecure-http", preset: "false", boolean: true, help: "allow addresses beyond loopback without TLS: passwords and tokens then travel readable", apply: func(s *ServeSettings, text string) (err error) {
		s.InsecureHTTP, err = parseBool(text)
		return err
	}},
	{name: "behind-tls", preset: "false", boolean: true, help: "clients come through a proxy that ends TLS: cookies are for encrypted connections only", apply: func(s *ServeSettings, text string) (err error) {
		s.BehindTLS, err = parseBool(text)
		return err
	}},
	{name: "trusted-proxy", unit: "CIDR,...", help: "proxies whose X-Forwarded-For says who the client is, as addresses or networks; from anybody else it is ignored", apply: func(s *ServeSettings, text string) (err error) {
		s.TrustedProxies, err = parsePrefixes(text)
		return err
	}},
	{name: "root-secret", secret: true, help: "32 random bytes in base64, that other keys are derived from and what is kept sealed is sealed with; otherwise keys/secret.key in the data directory, which the first start makes", apply: func(s *ServeSettings, text string) (err error) {
		s.RootSecret, err = auth.ParseRootSecret(text)
		return err
	}},
	{name: "admin-email", unit: "EMAIL", help: "makes the first operator, together with MAESTRO_ADMIN_PASSWORD, for unattended installation", apply: func(s *ServeSettings, text string) error {
		s.AdminEmail = text
		return nil
	}},
	{name: "admin-password", secret: true, help: "password of the first operator; ignored once there is one", apply: func(s *ServeSettings, text string) error {
		s.AdminPassword = text
		return nil
	}},
	{name: "password-length", preset: strconv.Itoa(auth.DefaultPasswordLength), unit: "N", help: "characters of the shortest password that may be set", apply: func(s *ServeSettings, text string) (err error) {
		s.PasswordLength, err = strconv.Atoi(text)
		if err != nil || s.PasswordLength < auth.MinPasswordLength || s.PasswordLength > maxPasswordLength {
			return fmt.Errorf("must be a whole number from %d to %d", auth.MinPasswordLength, maxPasswordLength)
		}
		return nil
	}},
	{name: "password-cost", preset: strconv.Itoa(auth.DefaultHashCost), unit: "N", help: "bcrypt's cost of passwords; stored ones follow at the next login", apply: func(s *ServeSettings, text string) (err error) {
		s.HashCost, err = strconv.Atoi(text)
		if err != nil || s.HashCost < auth.MinHashCost || s.HashCost > auth.MaxHashCost {
			return fmt.Errorf("must be a whole number from %d to %d", auth.MinHashCost, auth.MaxHashCost)
		}
		return nil
	}},
	{name: "key-rotation", preset: "720h", unit: "DURATION", help: "how long a key signs access tokens before a new one takes over; 0 for until maestro keys rotate", apply: func(s *ServeSettings, text string) (err error) {
		s.KeyLife, err = time.ParseDuration(text)
		if err != nil || s.KeyLife != 0 && s.KeyLife < auth.MinKeyLife {
			return fmt.Errorf("must be 0 or a duration of at least %s", auth.MinKeyLife)
		}
		return nil
	}},
	{name: "audit-days", preset: "0", unit: "N", help: "how many days the events of the audit trail are kept; 0 for all of them", apply: func(s *ServeSettings, text string) error {
		days, err := strconv.Atoi(text)
		if err != nil || days < 0 || days > maxAuditDays {
			return fmt.Errorf("must be a whole number from 0 to %d", maxAuditDays)
		}
		s.AuditRetention = time.Duration(days) * 24 * time.Hour
		return nil
	}},
	{name: "log-level", preset: "info", unit: "LEVEL", help: "debug, info, warn or error", apply: func(s *ServeSettings, text string) error {
		if err := s.LogLevel.UnmarshalText([]byte(text)); err != nil {
			return errors.New("must be debug, info, warn or error")
		}
		return nil
	}},
	{name: "log-format", preset: "text", unit: "FORMAT", help: "text or json", apply: func(s *ServeSettings, text string) error {
		if text != "text" && text != "json" {
			return errors.New("must be text or json")
		}
		s.LogFormat = text
		return nil
	}},
	{name: "drain-timeout", preset: "20s", unit: "DURATION", help: "how long requests under way may take when the server stops", apply: func(s *ServeSettings, text string) (err error) {
		s.DrainTimeout, err = time.ParseDuration(text)
		if err != nil || s.DrainTimeout < 0 || s.DrainTimeout > time.Hour {
			return errors.New("must be a duration from 0s to 1h")
		}
		return nil
	}},
	{name: "backup-every", preset: "24h", unit: "DURATION", help: "how often to back up into the data directory's backups folder; 0 for only when asked to", apply: func(s *ServeSettings, text string) (err error) {
		s.BackupEvery, err = time.ParseDuration(text)
		if err != nil || s.BackupEvery < 0 || (s.BackupEvery > 0 && s.BackupEvery < time.Minute) {
			return errors.New("must be 0 or a duration from 1m on")
		}
		return nil
	}},
	keepOption("hourly", "24", "hours", func(r *storage.Retention) *int { return &r.Hourly }),
	keepOption("daily", "7", "days", func(r *storage.Retention) *int { return &r.Daily }),
	keepOption("weekly", "4", "weeks", func(r *storage.Retention) *int { return &r.Weekly }),
	{name: "backup-recipient", unit: "AGE1...", help: "public key of age that these backups are encrypted for; several with commas between", apply: func(s *ServeSettings, text string) (err error) {
		s.BackupRecipients, err = archive.Recipients(strings.Split(text, ","))
		return err
	}},
	{name: "metrics-token", secret: true, help: "who presents it as a bearer token may read /metrics; without it nobody may, but on the control socket", apply: func(s *ServeSettings, text string) error {
		s.MetricsToken = text
		return checkMetricsToken(text)
	}},
	rateOption("address", "client address", server.DefaultRates().Address, func(r *server.Rates) *server.Rate { return &r.Address }),
	rateOption("credential", "session or API token", server.DefaultRates().Credential, func(r *server.Rates) *server.Rate { return &r.Credential }),
	rateOption("tenant", "tenant", server.DefaultRates().Tenant, func(r *server.Rates) *server.Rate { return &r.Tenant }),
	{name: "demo", preset: "false", boolean: true, help: "fill a new data directory with three histories of real projects, and print the accounts", apply: func(s *ServeSettings, text string) (err error) {
		s.Demo, err = parseBool(text)
		return err
	}},
}, tlsOptions, serveSourceOptions())

// minMetricsToken is the shortest token for /metrics, in characters.
const minMetricsToken = 16

// checkMetricsToken refuses a token that would be guessed, by the rules for
// passwords.
func checkMetricsToken(text string) error {
	if len(text) < minMetricsToken || strings.ContainsAny(text, " \t\r\n") {
		return fmt.Errorf("must have %d characters at least, and no space", minMetricsToken)
	}
	var c problem.Checks
	auth.PasswordPolicy{MinLength: minMetricsToken}.Check(&c, "it", text, "maestro", "metrics", "token", "secret", "prometheus")
	var p *problem.Error
	if errors.As(c.Err(), &p) {
		return fmt.Errorf("%s: take one that is random, such as 32 characters of openssl rand -base64 24", p.Violations[0].Message)
	}
	return nil
}

// maxPasswordLength is the longest that the shortest password may have to be.
const maxPasswordLength = 64

// rateOption bounds the requests of one something. Twice as many as in a second
// may come at once.
func rateOption(name, of string, preset server.Rate, rate func(*server.Rates) *server.Rate) option[ServeSettings] {
	return option[ServeSettings]{name: "rate-" + name, preset: strconv.FormatFloat(preset.PerSecond, 'f', -1, 64), unit: "N",
		help: "requests a second of one " + of + "; 0 for any number", apply: func(s *ServeSettings, text string) error {
			n, err := strconv.ParseFloat(text, 64)
			if err != nil || !(n >= 0 && n <= 1e9) {
				return errors.New("must be a number of requests a second, from 0 on")
			}
			*rate(&s.Rates) = server.Rate{PerSecond: n, Burst: int(math.Ceil(2 * n))}
			return nil
		}}
}

// keepOption is how many hours, days or weeks keep their newest backup.
func keepOption(name, preset, spans string, count func(*storage.Retention) *int) option[ServeSettings] {
	return option[ServeSettings]{name: "backup-keep-" + name, preset: preset, unit: "N",
		help: "of how many " + spans + " the newest backup is kept", apply: func(s *ServeSettings, text string) error {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 || n > 1000 {
				return errors.New("must be a number from 0 to 1000")
			}
			*count(&s.BackupKeep) = n
			return nil
		}}
}

// check says what is wrong with the settings together.
func (s *ServeSettings) check() error {
	host, _, err := net.SplitHostPort(s.Listen)
	if err != nil {
		return err // cannot be: it was read with the same function
	}
	if address, err := netip.ParseAddr(host); !s.InsecureHTTP && !s.TLS.on() && (err != nil || !address.IsLoopback()) {
		return &ConfigError{Problems: []string{fmt.Sprintf("listen: %s can be reached from other machines, and without TLS everybody on the way reads passwords and tokens. "+
			"Say --tls auto (or files, or acme), or listen on 127.0.0.1 behind a proxy that has TLS (--behind-tls), or say --insecure-http", s.Listen)}}
	}
	if err := s.TLS.check(); err != nil {
		return err
	}
	if (s.AdminEmail == "") != (s.AdminPassword == "") {
		return &ConfigError{Problems: []string{"admin-email and admin-password: one is set without the other"}}
	}
	return nil
}

// parseListen reads an address to listen on.
func parseListen(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil || port == "" {
		return "", errors.New("must be HOST:PORT")
	}
	if _, err := net.DefaultResolver.LookupPort(context.Background(), "tcp", port); err != nil {
		return "", errors.New("must end in a port from 0 to 65535")
	}
	if host == "localhost" {
		return net.JoinHostPort("127.0.0.1", port), nil
	}
	if _, err := netip.ParseAddr(host); host != "" && err != nil {
		return "", errors.New("must begin with an IP address, localhost, or nothing for all addresses")
	}
	return text, nil
}

// parsePrefixes reads networks and single addresses, with commas between.
func parsePrefixes(text string) ([]netip.Prefix, error) {
	if text == "" {
		return nil, nil
	}
	var prefixes []netip.Prefix
	for one := range strings.SplitSeq(text, ",") {
		one = strings.TrimSpace(one)
		prefix, err := netip.ParsePrefix(one)
		if address, single := netip.ParseAddr(one); single == nil && address.Zone() == "" {
			prefix, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		switch {
		case err != nil || prefix.Addr().Is4In6():
			return nil, errors.New("must be networks such as 10.1.0.0/24 or addresses, with commas between")
		case prefix.Bits() == 0:
			return nil, errors.New("must not be every address: whoever is trusted may pass for anybody")
		}
		prefixes = append(prefixes, prefix.Masked())
	}
	return prefixes, nil
}

// clientSettings say which server a command speaks to, and as whom.
type clientSettings struct {
	url   string // "" for the profile's, or the default
	token string // "" for the profile's
	roots string // PEM of the authorities that the server's certificate must come from; "" for the profile's, or the system's
}

// defaultURL is where a server listens that nobody told otherwise.
const defaultURL = "http://127.0.0.1:8080"

var clientOptions = []option[clientSettings]{
	{name: "url", unit: "URL", help: "the server; otherwise the one of the last login, otherwise " + defaultURL, apply: func(s *clientSettings, text string) error {
		s.url = strings.TrimSuffix(text, "/")
		return nil
	}},
	{name: "token", secret: true, help: "an API token or access token; otherwise the session of the last login", apply: func(s *clientSettings, text string) error {
		if strings.ContainsAny(text, " \t\r\n") {
			return errors.New("must not contain space")
		}
		s.token = text
		return nil
	}},
	{name: "ca-file", unit: "FILE", help: "authorities (PEM) that the server's certificate must come from; otherwise those of the last login, otherwise the system's", apply: func(s *clientSettings, text string) error {
		if text == "" {
			return nil
		}
		roots, err := readSecretFile(text)
		s.roots = roots
		return err
	}},
}

// otherVariables are MAESTRO_ names in the environment that are no options.
var otherVariables = []string{"config"}

// knownVariables lists every MAESTRO_ name, as options are named.
func knownVariables() []string {
	names := append([]string(nil), otherVariables...)
	for _, o := range serveOptions {
		names = append(names, o.name, o.name+"-file")
	}
	for _, o := range clientOptions {
		names = append(names, o.name, o.name+"-file")
	}
	return names
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "1", "yes", "on":
		return true, nil
	case "false", "0", "no", "off", "":
		return false, nil
	}
	return false, errors.New("must be true or false")
}

// variable is the option's name in the environment.
func variable(name string) string {
	return "MAESTRO_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}
