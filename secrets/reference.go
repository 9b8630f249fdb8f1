package secrets

import (
	"errors"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"maestro/problem"
)

// The schemes of references.
const (
	schemeFile       = "file"
	schemeEnv        = "env"
	schemeCredential = "credential"
	schemeVault      = "vault"
	schemeAWS        = "awssm"
)

// Forms shows every form of a reference, for people.
const Forms = "file:///PATH, env://NAME, credential://NAME, vault://MOUNT/PATH#KEY or awssm://NAME#KEY"

// reference is a reference that was read.
type reference struct {
	text    string
	scheme  string
	name    string // the file's path, the variable, the credential, or the name in AWS
	mount   string // of Vault
	path    string // of Vault, below the mount
	key     string // the member of the secret; "" for all of one of AWS
	version int    // of Vault; 0 for the newest
	stage   string // of AWS; "" for AWSCURRENT
}

var (
	anyScheme      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)
	variableName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	credentialName = regexp.MustCompile(`^[A-Za-z0-9_.@:-]{1,255}$`)
	awsName        = regexp.MustCompile(`^[A-Za-z0-9/_+=.@:-]+$`) // a name or an ARN
	awsStage       = regexp.MustCompile(`^[A-Za-z0-9/_+=.@-]{1,256}$`)
)

// IsReference reports whether a text has the form of a reference: a scheme and
// "://". Read says whether it is one that can be followed, so that a scheme with a
// slip of the pen is not taken for the secret itself.
func IsReference(text string) bool { return anyScheme.MatchString(text) }

// Check returns what is wrong with a reference, before it is followed. A text that
// passes is no secret itself and may be shown.
func Check(text string) error {
	_, err := parse(text)
	return err
}

// IsRemote reports whether a text is a reference to another server.
func IsRemote(text string) bool {
	return strings.HasPrefix(text, schemeVault+"://") || strings.HasPrefix(text, schemeAWS+"://")
}

// parse reads a reference. Its failures do not repeat the text, which may be a
// secret that only looks like a reference.
func parse(text string) (reference, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	r := reference{text: text, scheme: scheme}
	var ok bool
	switch scheme {
	case schemeFile:
		r.name, ok = filePath(rest)
	case schemeEnv:
		r.name, ok = rest, variableName.MatchString(rest)
	case schemeCredential:
		r.name, ok = rest, credentialName.MatchString(rest) && rest != "." && rest != ".."
	case schemeVault:
		ok = r.parseVault(rest)
	case schemeAWS:
		ok = r.parseAWS(rest)
	}
	if !ok {
		return reference{}, problem.New(problem.Malformed, "is no reference to a secret: these are %s", Forms)
	}
	return r, nil
}

// filePath reads what follows file://, which names this machine or none.
func filePath(rest string) (string, bool) {
	rest = strings.TrimPrefix(rest, "localhost")
	path, err := url.PathUnescape(rest)
	if err != nil || !strings.HasPrefix(path, "/") || strings.ContainsRune(path, 0) {
		return "", false
	}
	if len(path) > 3 && path[2] == ':' { // /C:/secret on Windows
		path = path[1:]
	}
	return path, len(path) > 1
}

// parseVault reads MOUNT/PATH[?version=N]#KEY. The mount is the first segment; the
// slashes of a mount's name are written %2F.
func (r *reference) parseVault(rest string) bool {
	rest, key, _ := strings.Cut(rest, "#")
	rest, query, versioned := strings.Cut(rest, "?")
	mount, path, _ := strings.Cut(rest, "/")
	var errs [3]error
	r.mount, errs[0] = url.PathUnescape(mount)
	r.path, errs[1] = url.PathUnescape(path)
	r.key, errs[2] = url.PathUnescape(key)
	if errors.Join(errs[:]...) != nil || !isPath(r.mount) || !isPath(r.path) || r.key == "" {
		return false
	}
	if !versioned {
		return true
	}
	digits, named := strings.CutPrefix(query, "version=")
	version, err := strconv.Atoi(digits)
	r.version = version
	return named && err == nil && version > 0
}

// isPath reports whether a text is segments with slashes between, which mean in a
// URL what they say.
func isPath(text string) bool {
	if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return false
	}
	for segment := range strings.SplitSeq(text, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// parseAWS reads NAME[?stage=STAGE][#KEY]; NAME may be an ARN.
func (r *reference) parseAWS(rest string) bool {
	rest, key, keyed := strings.Cut(rest, "#")
	rest, query, staged := strings.Cut(rest, "?")
	name, err := url.PathUnescape(rest)
	if err != nil || !awsName.MatchString(name) {
		return false
	}
	key, err = url.PathUnescape(key)
	if err != nil || keyed && key == "" {
		return false
	}
	if staged {
		stage, named := strings.CutPrefix(query, "stage=")
		if !named || !awsStage.MatchString(stage) {
			return false
		}
		r.stage = stage
	}
	r.name, r.key = name, key
	return true
}
