package trace

import "github.com/svcpath/svcpath/analyzer/netfilter"

// products remembers chances: services with the same number of endpoints deal
// out the same ones.
type products struct {
	odds  [256]oddsOfMatch
	known [1024]*value
}

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
	known := &p.known[mixed(c.v.hash, d.v.hash)%uint64(len(p.known))]
	if *known == nil || (*known).a != c.v || (*known).b != d.v {
		*known = c.times(d).v
	}
	return Chance{*known}
}

// oddsOf are the chances that the match holds and that it does not.
func (p *products) oddsOf(m *netfilter.Statistic) (hit, miss Chance) {
	known := &p.odds[mixed(uint64(m.Probability), uint64(m.Every))%uint64(len(p.odds))]
	if known.hit.v == known.miss.v || known.match != *m {
		hit := oddsOf(m)
		*known = oddsOfMatch{*m, hit, hit.complement()}
	}
	return known.hit, known.miss
}
