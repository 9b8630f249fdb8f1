package server

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// addressOf returns which client a request comes from; the zero address for all
// that come by a unix socket. It is asked once a request, by begin: everything
// that counts, delays or records clients reads clientAddress.
//
// The word of a trusted proxy is its X-Forwarded-For, read from the end that it
// wrote: the last hop that is not trusted itself is the client, and what stands
// before that hop anybody may have made up. Without such a hop, or when one on the
// way to it cannot be read, the client is the proxy. From anybody else the header
// means nothing.
func (s *Server) addressOf(r *http.Request) netip.Addr {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	peer := from.Addr().Unmap()
	if !s.trusts(peer) {
		return peer
	}
	hops := strings.Join(r.Header["X-Forwarded-For"], ",") // several lines are one list (RFC 9110, section 5.3)
	for hops != "" {
		end := strings.LastIndexByte(hops, ',')
		hop, ok := parseHop(hops[end+1:])
		if !ok {
			return peer
		}
		if !s.trusts(hop) {
			return hop
		}
		hops = hops[:max(end, 0)]
	}
	return peer
}

// parseHop reads a hop of X-Forwarded-For: an address, with a port where the proxy
// adds it.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.Trim(text, " \t")
	address, err := netip.ParseAddr(text)
	if err != nil {
		with, err := netip.ParseAddrPort(text)
		if err != nil {
			return netip.Addr{}, false
		}
		address = with.Addr()
	}
	return address.Unmap(), address.Zone() == "" // a zone is of a machine of its own
}

// trusts reports whether an address is that of a trusted proxy.
func (s *Server) trusts(address netip.Addr) bool {
	address = address.WithZone("") // which no prefix has
	return slices.ContainsFunc(s.trustedProxies, func(p netip.Prefix) bool { return p.Contains(address) })
}

// clientAddress returns which client the request of a context comes from.
func clientAddress(ctx context.Context) netip.Addr { return exchangeOf(ctx).origin.Address }

// customerAddress is what one customer of a network has of it: an IPv4 address, or
// the /64 that an IPv6 client may choose from.
func customerAddress(address netip.Addr) netip.Addr {
	if address.Is6() {
		prefix, _ := address.Prefix(64) // valid for every IPv6 address
		return prefix.Addr()
	}
	return address
}
