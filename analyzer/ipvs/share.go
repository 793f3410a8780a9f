package ipvs

// A Share is a part of a virtual server's new connections: Num/Den. Den is
// never 0.
type Share struct{ Num, Den uint64 }

// Shares are the parts of new connections that the real servers get, in their
// order. ok is false when they are not certain: Sharing says what they rest on
// then, and Takes which real servers can get any.
//
// With persistence they are the parts of clients that the kernel does not
// remember. A virtual server that nothing takes connections for has shares of
// 0, and is certain of them.
func (v *VirtualServer) Shares() (shares []Share, ok bool) {
	return v.AppendShares(make([]Share, 0, v.NumServers()))
}

// EvenShare is the part that each real server gets which gets any, where that is so
// by the scheduler alone. ok is false where it is not so, or not certain; Shares
// may tell all the same.
func (v *VirtualServer) EvenShare() (share Share, ok bool) {
	if v.Partial || v.Scheduler.Sharing() != EqualSharing {
		return Share{}, false
	}
	usable := uint64(0)
	for i := range v.NumServers() {
		takes, certain := v.ServerTakes(i)
		if !certain {
			return Share{}, false
		}
		if takes {
			usable++
		}
	}
	return Share{1, usable}, usable > 0
}

// AppendShares appends Shares to a slice without elements.
func (v *VirtualServer) AppendShares(room []Share) (shares []Share, ok bool) {
	shares = append(room, make([]Share, v.NumServers())...)
	usable := 0
	for i := range shares {
		shares[i].Den = 1
		takes, certain := v.ServerTakes(i)
		if !certain {
			return nil, false
		}
		if takes {
			usable++
		}
	}
	switch {
	case v.Partial:
		return nil, false
	case usable == 0:
		return shares, true
	case v.Scheduler == "":
		return nil, false
	}
	switch v.Scheduler.Sharing() {
	case EqualSharing:
		// ip_vs_rr.c, ip_vs_rr_schedule.
		v.deal(shares, uint64(usable), one)
		return shares, true
	case WeightedSharing:
		// ip_vs_wrr.c, ip_vs_wrr_schedule: over one round each gets as many
		// connections as its weight divided by what all weights have in common.
		total := uint64(0)
		for i := range shares {
			total += uint64(v.weightOf(i))
		}
		v.deal(shares, total, func(i int) uint64 { return uint64(v.weightOf(i)) })
		return shares, true
	case HighestWeight:
		// ip_vs_fo.c, ip_vs_fo_schedule: of equal ones the first in the
		// kernel's list, the order of which ipvsadm does not keep.
		best, at := uint32(0), -1
		for i := range shares {
			switch w := v.weightOf(i); {
			case w > best:
				best, at = w, i
			case w == best:
				at = -1
			}
		}
		if at >= 0 {
			shares[at].Num = 1
		}
		return shares, at >= 0
	case LoadSharing:
		// Without a choice to make, all of them make the same one; only
		// ip_vs_ovf.c, ip_vs_ovf_schedule, passes over a server for its load.
		if usable == 1 && v.Scheduler != Overflow {
			v.deal(shares, 1, one)
			return shares, true
		}
	case SourceSharing, DestinationSharing:
		// The hash can name a server that takes none, and then the connection
		// is refused.
		if usable == 1 && len(shares) == 1 {
			v.deal(shares, 1, one)
			return shares, true
		}
	}
	return nil, false
}

func (v *VirtualServer) deal(shares []Share, of uint64, part func(i int) uint64) {
	for i := range shares {
		if takes, _ := v.ServerTakes(i); takes {
			shares[i] = Share{part(i), of}
		}
	}
}

func one(int) uint64 { return 1 }

func (v *VirtualServer) weightOf(i int) uint32 {
	weight, _ := v.ServerWeight(i)
	return weight
}

// Takes reports whether the real server gets new connections: one with weight 0
// does not, nor one that has more than its upper threshold
// (IP_VS_DEST_F_OVERLOAD; ip_vs_conn.c, ip_vs_bind_dest). certain is false when
// the text does not tell, or when it changes with the load.
func (r *RealServer) Takes() (takes, certain bool) {
	switch {
	case !r.WeightKnown:
		return true, false
	case r.Weight == 0:
		return false, true
	}
	return true, r.more == nil || r.more.UpperThreshold == 0
}
