package manifests

import (
	"encoding/json"
	"errors"
	"fmt"

	"gopkg.in/yaml.v3"
)

// A text is a scalar as it is written, whether in quotation marks or not:
// people and templates write 80 and "80".
type text string

// UnmarshalYAML takes any scalar.
func (t *text) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind != yaml.ScalarNode {
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: found a list or a mapping, expected one value", node.Line)}}
	}
	*t = ""
	if node.Tag != "!!null" {
		*t = text(node.Value)
	}
	return nil
}

// UnmarshalJSON takes a string, a number, true, false or null.
func (t *text) UnmarshalJSON(value []byte) error {
	switch value[0] {
	case '"':
		var s string
		if err := json.Unmarshal(value, &s); err != nil {
			return err
		}
		*t = text(s)
	case '[', '{':
		return errors.New("found a list or an object, expected one value")
	case 'n':
		*t = ""
	default:
		*t = text(value)
	}
	return nil
}
