package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/inventory"
)

// An UnknownServiceError says that GraphOptions names a service that the
// input does not.
type UnknownServiceError struct {
	Service string
	Near    []string // names of services that are nearly the same, the nearest first
	None    bool     // the input names no service at all
}

func (e *UnknownServiceError) Error() string {
	switch {
	case e.None:
		return fmt.Sprintf("service %q: the input names no services", e.Service)
	case len(e.Near) == 0:
		return fmt.Sprintf("service %q: the input names no such service, expected NAMESPACE/NAME", e.Service)
	}
	var near []string
	for _, name := range e.Near {
		near = append(near, fmt.Sprintf("%q", name))
	}
	return fmt.Sprintf("service %q: the input names no such service; near are %s", e.Service, strings.Join(near, ", "))
}

// maxNear is how many names an UnknownServiceError offers.
const maxNear = 3

func unknownService(inv *inventory.Inventory, service string) error {
	type candidate struct {
		name string
		far  int
	}
	var near []candidate
	e := &UnknownServiceError{Service: service, None: true}
	bare := service[strings.LastIndexByte(service, '/')+1:]
	limit := max(2, len(service)/3)
	last := ""
	for _, s := range inv.Services {
		name := s.NamespacedName()
		if name == "" || name == last { // its ports stand beside each other
			continue
		}
		e.None, last = false, name
		if s.Name == bare {
			near = append(near, candidate{name, 0})
		} else if far := editDistance(service, name, limit); far <= limit {
			near = append(near, candidate{name, far})
		}
	}
	slices.SortFunc(near, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.far, b.far), cmp.Compare(a.name, b.name))
	})
	for _, c := range near[:min(len(near), maxNear)] {
		e.Near = append(e.Near, c.name)
	}
	return e
}

// editDistance is how many bytes have to be put in, taken out or changed to
// make one text of the other; any number above limit if more than that.
func editDistance(a, b string, limit int) int {
	if d := len(a) - len(b); d > limit || -d > limit {
		return limit + 1
	}
	row := make([]int, len(b)+1) // of the part of a that was read, to each prefix of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
