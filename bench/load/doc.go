// Package load makes load and measures it: a lean HTTP/1.1 client, a closed
// loop of clients, and a histogram of latencies.
//
// The generator shares the machine's cores with the server under test, so what
// it spends per request is taken from the server. It therefore sends requests
// rendered beforehand and reads no more of an answer than it must, all clients in one
// thread over epoll: net/http's client costs several times as much. The package
// is for Linux alone.
//
// The loop is closed: a client sends its next request when the answer to the
// last one is there. Latencies are those of a system with that many clients, not
// those of an open system at a given arrival rate.
package load
