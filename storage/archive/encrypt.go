package archive

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
)

// magic is how an age file begins.
const magic = "age-encryption.org/v1\n"

// Recipients reads public keys of age, one each.
func Recipients(keys []string) (recipients []age.Recipient, err error) {
	for _, key := range keys {
		parsed, err := age.ParseRecipients(strings.NewReader(key))
		if err != nil {
			return nil, fmt.Errorf("%q is no public key of age (age1…)", key)
		}
		recipients = append(recipients, parsed...)
	}
	return recipients, nil
}

// Identities reads a file of secret keys, as age-keygen writes it.
func Identities(file io.Reader) ([]age.Identity, error) {
	identities, err := age.ParseIdentities(file)
	if err != nil {
		return nil, errors.New("the file of keys does not hold a secret key of age (AGE-SECRET-KEY-1…)")
	}
	return identities, nil
}

// Encrypt wraps what is written to it in an age file for the recipients. The
// witness can read that file too: it is made for this file, kept in memory only,
// and checks what was written without anybody's secret key. Closing the returned
// writer ends the age file and does not close out.
func Encrypt(out io.Writer, recipients []age.Recipient) (in io.WriteCloser, witness age.Identity, err error) {
	all := append([]age.Recipient(nil), recipients...)
	// An age file is for post-quantum recipients or for others, never for both.
	if _, quantum := recipients[0].(*age.HybridRecipient); quantum {
		identity, err := age.GenerateHybridIdentity()
		if err != nil {
			return nil, nil, err
		}
		witness, all = identity, append(all, identity.Recipient())
	} else {
		identity, err := age.GenerateX25519Identity()
		if err != nil {
			return nil, nil, err
		}
		witness, all = identity, append(all, identity.Recipient())
	}
	in, err = age.Encrypt(out, all...)
	return in, witness, err
}

// Decrypt returns the archive in a file, which may be encrypted.
func Decrypt(file io.Reader, identities []age.Identity) (in io.Reader, encrypted bool, err error) {
	buffered := bufio.NewReaderSize(file, 64<<10)
	start, err := buffered.Peek(len(magic))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	if string(start) != magic {
		return buffered, false, nil
	}
	if len(identities) == 0 {
		return nil, true, errors.New("the backup is encrypted: name the file of the secret key (--identity)")
	}
	in, err = age.Decrypt(buffered, identities...)
	var other *age.NoIdentityMatchError
	if errors.As(err, &other) {
		return nil, true, errors.New("the backup is encrypted for another key, or its header is damaged")
	}
	if err != nil {
		return nil, true, &DamageError{Name: "the age header", Reason: "cannot be read: " + err.Error(), Err: err}
	}
	return in, true, nil
}
