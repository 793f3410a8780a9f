package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/svcpath/svcpath/samples"
)

func (p *program) samplesCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "samples",
		Short: "List, show and write the recordings of real nodes that are built in",
		Long: `samples lists the recordings of real nodes that are built in. Wherever a command takes an
INPUT, sample:NAME is one of them.`,
		Args: cobra.NoArgs,
	}
	list := &cobra.Command{Use: "list", Short: "List them (also without a subcommand)", Args: namedArgs()}
	for _, c := range []*cobra.Command{command, list} {
		out := outputFlag(c, "text", "json", "yaml")
		c.RunE = func(*cobra.Command, []string) error { return p.listSamples(out.format) }
	}
	command.AddCommand(list,
		&cobra.Command{
			Use: "show NAME", Short: "Show what a sample is and which files it has",
			Args: namedArgs("NAME"), ValidArgsFunction: completeSample,
			RunE: func(_ *cobra.Command, args []string) error { return p.showSample(args[0]) },
		},
		&cobra.Command{
			Use: "write NAME DIR", Short: "Write a sample's files into a directory; existing files are left alone",
			Args: namedArgs("NAME", "DIR"), ValidArgsFunction: completeSample,
			RunE: func(_ *cobra.Command, args []string) error { return p.writeSample(args[0], args[1]) },
		})
	return command
}

// namedArgs wants exactly the arguments that are named.
func namedArgs(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return fmt.Errorf("missing %s", names[len(args)])
		}
		if len(args) > len(names) {
			return fmt.Errorf("unexpected argument %q", args[len(names)])
		}
		return nil
	}
}

func (p *program) listSamples(format string) error {
	type sample struct {
		Name    string `json:"name" yaml:"name"`
		Title   string `json:"title" yaml:"title"`
		Summary string `json:"summary" yaml:"summary"`
	}
	doc := struct {
		APIVersion string   `json:"apiVersion" yaml:"apiVersion"`
		Kind       string   `json:"kind" yaml:"kind"`
		Samples    []sample `json:"samples" yaml:"samples"`
	}{"svcpath/v1", "Samples", []sample{}}
	text := ""
	for i, s := range samples.List() {
		doc.Samples = append(doc.Samples, sample(s))
		if i > 0 {
			text += "\n"
		}
		text += fmt.Sprintf("%s%s: %s\n  %s\n", samplePrefix, s.Name, s.Title, s.Summary)
	}
	return p.writeSmall(format, doc, text)
}

// showSample prints a sample's README and the names of its files.
func (p *program) showSample(name string) error {
	files, err := samples.Open(name)
	if err != nil {
		return err
	}
	readme, err := fs.ReadFile(files, "README.md")
	if err != nil {
		return &failure{doing: "reading", err: err}
	}
	text := string(readme) + "\nFiles:\n\n"
	err = eachFile(files, func(path string, content []byte) error {
		text += fmt.Sprintf("    %8d bytes  %s\n", len(content), path)
		return nil
	})
	if err != nil {
		return err
	}
	return p.writeSmall("text", nil, text)
}

// writeSample writes a sample's files, all or, if one of them exists, none.
func (p *program) writeSample(name, dir string) error {
	files, err := samples.Open(name)
	if err != nil {
		return err
	}
	err = eachFile(files, func(path string, _ []byte) error {
		path = filepath.Join(dir, filepath.FromSlash(path))
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return &failure{doing: "writing", err: fmt.Errorf("%s: it exists already", path)}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return eachFile(files, func(path string, content []byte) error {
		if err := writeNew(filepath.Join(dir, filepath.FromSlash(path)), content); err != nil {
			return &failure{doing: "writing the sample:", err: err}
		}
		return nil
	})
}

// writeNew writes a file that does not exist yet.
func writeNew(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Close())
}

// eachFile visits the files in the order of their paths.
func eachFile(files fs.FS, visit func(path string, content []byte) error) error {
	return fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		return visit(path, content)
	})
}
