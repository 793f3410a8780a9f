package ipvs

// A Scheduler decides which real server gets a new connection, by its name in
// the kernel. Others than those below are modules that the kernel does not
// ship.
type Scheduler string

// The schedulers of the kernel (ip_vs_rr.c, ip_vs_wrr.c, …).
const (
	RoundRobin              Scheduler = "rr"
	WeightedRoundRobin      Scheduler = "wrr"
	LeastConnection         Scheduler = "lc"
	WeightedLeastConnection Scheduler = "wlc"
	Failover                Scheduler = "fo"
	Overflow                Scheduler = "ovf"
	LocalityLeast           Scheduler = "lblc"
	LocalityLeastReplicated Scheduler = "lblcr"
	DestinationHashing      Scheduler = "dh"
	SourceHashing           Scheduler = "sh"
	MaglevHashing           Scheduler = "mh"
	ShortestDelay           Scheduler = "sed"
	NeverQueue              Scheduler = "nq"
	TwoChoices              Scheduler = "twos"
)

// Schedulers are all of the kernel's.
func Schedulers() []Scheduler {
	return []Scheduler{
		RoundRobin, WeightedRoundRobin, LeastConnection, WeightedLeastConnection, Failover, Overflow,
		LocalityLeast, LocalityLeastReplicated, DestinationHashing, SourceHashing, MaglevHashing,
		ShortestDelay, NeverQueue, TwoChoices,
	}
}

// Sharing says what a scheduler's choice for a new connection rests on.
type Sharing uint8

// The ways to choose.
const (
	UnknownSharing  Sharing = iota // the text does not tell, or the kernel ships no such scheduler
	EqualSharing                   // each real server in turn, whatever its weight
	WeightedSharing                // each in turn, as often as its weight says
	// HighestWeight goes to the real server with the highest weight, and to
	// no other one.
	HighestWeight
	// LoadSharing rests on the numbers of connections at the time.
	LoadSharing
	// SourceSharing is fixed for each source address, by a hash.
	SourceSharing
	// DestinationSharing is fixed for each destination address, by a hash.
	DestinationSharing
)

// String says it in words: "depends on load", …
func (s Sharing) String() string {
	switch s {
	case EqualSharing:
		return "equal"
	case WeightedSharing:
		return "by weight"
	case HighestWeight:
		return "highest weight only"
	case LoadSharing:
		return "depends on load"
	case SourceSharing:
		return "fixed per source address"
	case DestinationSharing:
		return "fixed per destination address"
	}
	return "not known"
}

// Sharing says what the scheduler's choice rests on.
func (s Scheduler) Sharing() Sharing {
	switch s {
	case RoundRobin:
		return EqualSharing
	case WeightedRoundRobin:
		return WeightedSharing
	case Failover:
		return HighestWeight
	case LeastConnection, WeightedLeastConnection, Overflow, LocalityLeast, LocalityLeastReplicated,
		ShortestDelay, NeverQueue, TwoChoices:
		return LoadSharing
	case SourceHashing, MaglevHashing:
		return SourceSharing
	case DestinationHashing:
		return DestinationSharing
	}
	return UnknownSharing
}

// SchedulerFlags are three flags that mean what the scheduler takes them for
// (include/uapi/linux/ip_vs.h, IP_VS_SVC_F_SCHED1, …). /proc/net/ip_vs leaves
// them out.
type SchedulerFlags uint8

// The flags, and what sh and mh take the first two for.
const (
	Flag1 SchedulerFlags = 1 << iota
	Flag2
	Flag3

	// HashFallback has another real server chosen when the one that the hash
	// names can take none.
	HashFallback = Flag1
	// HashPort has the hash cover the source port.
	HashPort = Flag2
)

// Words are the flags as ipvsadm prints them for a scheduler: "sh-port",
// "flag-3", …
func (f SchedulerFlags) Words(s Scheduler) []string {
	var words []string
	for bit, word := range s.flagWords() {
		if f&(1<<bit) != 0 {
			words = append(words, word)
		}
	}
	return words
}

// SchedulerFlag finds a flag by a word of ipvsadm's. ok is false for a word that
// the scheduler knows no flag by.
func (s Scheduler) SchedulerFlag(word string) (f SchedulerFlags, ok bool) {
	for bit, generic := range Scheduler("").flagWords() {
		if word == generic || word == s.flagWords()[bit] {
			return 1 << bit, true
		}
	}
	return 0, false
}

func (s Scheduler) flagWords() [3]string {
	if s == SourceHashing || s == MaglevHashing {
		return [3]string{string(s) + "-fallback", string(s) + "-port", "flag-3"}
	}
	return [3]string{"flag-1", "flag-2", "flag-3"}
}
