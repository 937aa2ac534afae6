package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"

	"signboard/inventory"
)

// envPrefix begins the variables that override keys: SIGNBOARD_OIDC__CLIENT_ID
// is oidc.client_id. Those that begin with testPrefix are the tests' own.
const (
	envPrefix  = "SIGNBOARD_"
	testPrefix = "SIGNBOARD_TEST_"
)

// loadConfig reads a configuration file, or standard input for "-". Its errors
// name the file, the key and what was expected.
func loadConfig(path string, stdin io.Reader) (*Config, error) {
	raw, err := readConfig(path, stdin)
	if err != nil {
		return nil, err
	}
	refuse := func(format string, args ...any) error {
		where := path
		if path == "-" {
			where = "standard input"
		}
		return inventory.Errorf(inventory.Invalid, "%s: %s", where, fmt.Sprintf(format, args...))
	}
	k := koanf.New(".")
	if err := k.Load(rawbytes.Provider(raw), yaml.Parser()); err != nil {
		return nil, refuse("this is not YAML: %v", err)
	}
	values := k.Raw()
	if err := known(values, reflect.TypeFor[Config](), ""); err != nil {
		return nil, refuse("%v", err)
	}
	overrides := koanf.New(".")
	err = overrides.Load(env.Provider(".", env.Opt{Prefix: envPrefix, TransformFunc: func(name, value string) (string, any) {
		if strings.HasPrefix(name, testPrefix) {
			return "", nil
		}
		return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, envPrefix), "__", ".")), value
	}}), nil)
	if err != nil {
		return nil, fmt.Errorf("reading the environment: %w", err)
	}
	if err := known(overrides.Raw(), reflect.TypeFor[Config](), ""); err != nil {
		return nil, inventory.Errorf(inventory.Invalid, "the environment's %s… variables: %v", envPrefix, err)
	}
	if err := k.Merge(overrides); err != nil {
		return nil, fmt.Errorf("reading the environment: %w", err)
	}
	values = k.Raw()
	if err := secrets(values, reflect.TypeFor[Config](), ""); err != nil {
		return nil, refuse("%v", err)
	}

	c := &Config{Listen: "127.0.0.1:8080", Database: "sqlite:signboard.db", Review: ReviewConfig{Approvers: 1}}
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result: c, TagName: "koanf", WeaklyTypedInput: false,
		DecodeHook: mapstructure.ComposeDecodeHookFunc(durations, numbers, mapstructure.StringToSliceHookFunc(",")),
	})
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	if err := decoder.Decode(values); err != nil {
		return nil, refuse("%s", strings.ReplaceAll(strings.TrimPrefix(err.Error(), "decoding failed due to the following error(s):\n\n"), "\n", "; "))
	}
	if err := c.check(); err != nil {
		return nil, refuse("%v", err)
	}
	return c, nil
}

func readConfig(path string, stdin io.Reader) ([]byte, error) {
	if path == "-" {
		raw, err := io.ReadAll(io.LimitReader(stdin, 1<<20))
		if err != nil {
			return nil, fmt.Errorf("reading the configuration from standard input: %w", err)
		}
		return raw, nil
	}
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, inventory.Errorf(inventory.Invalid, "%s: there is no such file. Name the configuration with --config FILE, or write one: the README shows how.", path)
	case errors.Is(err, fs.ErrPermission):
		return nil, inventory.Errorf(inventory.Invalid, "%s: this user may not read the file.", path)
	case err != nil:
		return nil, inventory.Errorf(inventory.Invalid, "%s: the file can't be read: %v", path, err)
	}
	return raw, nil
}

// known refuses the first key that the type has no field for.
func known(value any, t reflect.Type, at string) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Struct:
		m, ok := value.(map[string]any)
		if !ok {
			if value == nil {
				return nil
			}
			return fmt.Errorf("%s: expected keys and values, found %v", name(at), value)
		}
		fields := fieldTypes(t)
		for _, key := range slices.Sorted(mapKeys(m)) {
			field, ok := fields[key]
			if base, isFile := strings.CutSuffix(key, "_file"); !ok && isFile {
				if field, ok = fields[base]; ok && field.Kind() != reflect.String {
					ok = false
				}
			}
			if !ok {
				return fmt.Errorf("%s: there is no such key; expected one of %s", join(at, key), strings.Join(slices.Sorted(mapKeys(fields)), ", "))
			}
			if err := known(m[key], field, join(at, key)); err != nil {
				return err
			}
		}
	case reflect.Slice:
		if list, ok := value.([]any); ok {
			for i, item := range list {
				if err := known(item, t.Elem(), fmt.Sprintf("%s[%d]", at, i)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// secrets replaces each key_file by key with the file's content, without its
// last line break.
func secrets(value any, t reflect.Type, at string) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Struct:
		m, _ := value.(map[string]any)
		fields := fieldTypes(t)
		for _, key := range slices.Sorted(mapKeys(m)) {
			if field, ok := fields[key]; ok {
				if err := secrets(m[key], field, join(at, key)); err != nil {
					return err
				}
				continue
			}
			base := strings.TrimSuffix(key, "_file")
			if _, both := m[base]; both {
				return fmt.Errorf("%s: give either %s or %s, not both", name(at), base, key)
			}
			file, ok := m[key].(string)
			if !ok {
				return fmt.Errorf("%s: expected the name of a file", join(at, key))
			}
			raw, err := os.ReadFile(file)
			if err != nil {
				return fmt.Errorf("%s: the file can't be read: %v", join(at, key), err)
			}
			delete(m, key)
			content := strings.TrimRight(string(raw), "\r\n")
			if content == "" {
				return fmt.Errorf("%s: the file %s is empty", join(at, key), file)
			}
			m[base] = content
		}
	case reflect.Slice:
		if list, ok := value.([]any); ok {
			for i, item := range list {
				if err := secrets(item, t.Elem(), fmt.Sprintf("%s[%d]", at, i)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func fieldTypes(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for f := range t.Fields() {
		if key := f.Tag.Get("koanf"); key != "" {
			fields[key] = f.Type
		}
	}
	return fields
}

func mapKeys[V any](m map[string]V) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func join(at, key string) string {
	if at == "" {
		return key
	}
	return at + "." + key
}

func name(at string) string {
	if at == "" {
		return "the file"
	}
	return at
}

func durations(from, to reflect.Type, value any) (any, error) {
	if to == reflect.TypeFor[age]() {
		return parseAge(value)
	}
	if to != reflect.TypeFor[time.Duration]() {
		return value, nil
	}
	s, ok := value.(string)
	if !ok {
		return nil, fmt.Errorf("expected a duration such as 15m, found %v", value)
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return nil, fmt.Errorf("expected a duration such as 15m, found %q", s)
	}
	return d, nil
}

// numbers lets the environment, which knows only text, set numbers and
// switches.
func numbers(from, to reflect.Type, value any) (any, error) {
	s, ok := value.(string)
	if !ok {
		return value, nil
	}
	switch to.Kind() {
	case reflect.Int:
		var n int
		if _, err := fmt.Sscanf(s, "%d", &n); err != nil {
			return nil, fmt.Errorf("expected a number, found %q", s)
		}
		return n, nil
	case reflect.Bool:
		switch s {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return nil, fmt.Errorf("expected true or false, found %q", s)
	}
	return value, nil
}
