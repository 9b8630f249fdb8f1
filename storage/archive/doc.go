// Package archive is the form of a backup: one tar file that every tar program
// unpacks, whose every byte is checked when it is read here.
//
//	maestro.json         what the archive is: format, version, schema, time
//	maestro.db …         the files, in the order in which they were added
//	SHA256SUMS           their digests, as sha256sum writes and checks them
//	SHA256SUMS.sha256    the digest of that
//
// Headers and padding are rendered again from what they say and compared, the
// contents are compared with their digests, the digests with theirs: no bit can
// change without being noticed and without the damaged file being named. Neither
// side holds more than a line of the list in memory, however many files there are.
//
// An archive may be wrapped in an age file (https://age-encryption.org/v1).
package archive
