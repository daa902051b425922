package profile

import "gopkg.in/ini.v1"

// model keeps the keys of all sections and their values. Its functions hide the types of ini.v1: printing does not
// call functions, so it shows no value, and the linker drops the methods that reflection cannot reach.
type model struct {
	newSection    func(name string) (values, error)
	deleteSection func(name string)
}

// values are the keys of one section.
type values struct {
	value  func(key string) (value string, ok bool)
	newKey func(key string) (setValue func(value string), err error) // or the existing one of that name
}

func newModel() model {
	file := ini.Empty(ini.LoadOptions{
		AllowNonUniqueSections: true,   // so that NewSection does not search all others
		ChildSectionDelimiter:  "\x00", // in no name: "a.b" inherits nothing from "a"
	})
	return model{
		newSection: func(name string) (values, error) {
			s, err := file.NewSection(name)
			return valuesOf(s), err
		},
		deleteSection: func(name string) { file.DeleteSection(name) },
	}
}

func valuesOf(s *ini.Section) values {
	return values{
		value: func(key string) (string, bool) {
			k, err := s.GetKey(key)
			if err != nil {
				return "", false
			}
			return k.Value(), true
		},
		newKey: func(key string) (func(string), error) {
			k, err := s.NewKey(key, "")
			if err != nil {
				return nil, err
			}
			return k.SetValue, nil
		},
	}
}
