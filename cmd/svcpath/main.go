// Svcpath shows where each entry of each Kubernetes Service leads, from a
// node's packet filter dump. "svcpath --help" tells the rest.
package main

import (
	"os"

	"github.com/svcpath/svcpath/cmd/svcpath/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
