// Package problem is the vocabulary of everything that can go wrong: one error
// type with a code, the violations of an input and the words meant for people.
//
// Every room returns its failures as *Error; the server maps a code to a status
// and an RFC 9457 document in one place. An error that is not an *Error is
// internal, and its text never leaves the process.
package problem
