package trace

import "github.com/svcpath/svcpath/analyzer/netfilter"

// products remembers chances: services with the same number of endpoints deal
// out the same ones.
type products struct {
	odds  [256]oddsOfMatch
	known [1024]*value
}

// probes is at how many places next to each other a chance may be kept. With
// one only, two chances of a service may fight for it, and in one process of
// many, for hashes differ, that service's chances are computed anew each time.
const probes = 8

// oddsOfMatch are the chances that a match holds and that it does not.
type oddsOfMatch struct {
	match     netfilter.Statistic
	hit, miss Chance
}

// times is c.times(d).
func (p *products) times(c, d Chance) Chance {
	if c.v == nil || d.v == nil || c.v == one || d.v == one {
		return c.times(d)
	}
	home := mixed(c.v.hash, d.v.hash)
	for i := range uint64(probes) {
		known := &p.known[(home+i)%uint64(len(p.known))]
		if *known == nil {
			*known = c.times(d).v
		}
		if (*known).a == c.v && (*known).b == d.v {
			return Chance{*known}
		}
	}
	known := &p.known[home%uint64(len(p.known))]
	*known = c.times(d).v
	return Chance{*known}
}

// oddsOf are the chances that the match holds and that it does not.
func (p *products) oddsOf(m *netfilter.Statistic) (hit, miss Chance) {
	home := mixed(uint64(m.Probability), uint64(m.Every))
	known := &p.odds[home%uint64(len(p.odds))]
	for i := range uint64(probes) {
		k := &p.odds[(home+i)%uint64(len(p.odds))]
		if k.hit.v == k.miss.v {
			known = k // which is free
			break
		}
		if k.match == *m {
			return k.hit, k.miss
		}
	}
	hit = oddsOf(m)
	*known = oddsOfMatch{*m, hit, hit.complement()}
	return known.hit, known.miss
}
