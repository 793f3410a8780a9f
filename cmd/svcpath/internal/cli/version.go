package cli

import (
	"bytes"
	"encoding/json"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"
)

// A version says which build this is, as far as the build was told.
type version struct {
	APIVersion string `json:"apiVersion" yaml:"apiVersion"`
	Kind       string `json:"kind" yaml:"kind"`
	Version    string `json:"version" yaml:"version"`
	Revision   string `json:"revision,omitempty" yaml:"revision,omitempty"`
	Time       string `json:"time,omitempty" yaml:"time,omitempty"`
	Modified   bool   `json:"modified,omitempty" yaml:"modified,omitempty"`
	Go         string `json:"go" yaml:"go"`
	Platform   string `json:"platform" yaml:"platform"`
}

func readVersion() version {
	v := version{
		APIVersion: "svcpath/v1", Kind: "Version", Version: "(unknown)",
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

// String is the version in one line.
func (v version) String() string {
	s := "svcpath " + v.Version
	if v.Revision != "" {
		s += ", revision " + v.Revision
		if v.Modified {
			s += " with changes"
		}
	}
	return s + ", " + v.Go + ", " + v.Platform
}

func (p *program) versionCommand() *cobra.Command {
	command := &cobra.Command{Use: "version", Short: "Say which build this is", Args: namedArgs()}
	out := outputFlag(command, "text", "json", "yaml")
	command.RunE = func(*cobra.Command, []string) error {
		v := readVersion()
		return p.writeSmall(out.format, v, v.String()+"\n")
	}
	return command
}

// writeSmall writes an answer that is no analysis: a document for programs, or
// its text.
func (p *program) writeSmall(format string, doc any, text string) error {
	b := bytes.NewBufferString(text)
	var err error
	switch format {
	case "json":
		b.Reset()
		enc := json.NewEncoder(b)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		err = enc.Encode(doc)
	case "yaml":
		b.Reset()
		enc := yaml.NewEncoder(b)
		enc.SetIndent(2)
		err = enc.Encode(doc)
	}
	if err == nil {
		_, err = p.stdout.Write(b.Bytes())
	}
	return written(err)
}
