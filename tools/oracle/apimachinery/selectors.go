package main

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
)

func init() {
	topics["label-selectors"] = func(c testCase) (any, error) {
		var selector labels.Selector
		var err error
		if text, ok := c["text"].(string); ok {
			selector, err = labels.Parse(text)
		} else {
			selector, err = objectSelector(c["object"])
		}
		if err != nil {
			delete(c, "labels")
			return nil, err
		}
		var matches []bool
		for _, set := range sets(c["labels"]) {
			matches = append(matches, selector.Matches(labels.Set(set)))
		}
		return map[string]any{"text": selector.String(), "matches": matches}, nil
	}
	topics["field-selectors"] = func(c testCase) (any, error) {
		selector, err := fields.ParseSelector(c["text"].(string))
		if err != nil {
			delete(c, "fields")
			return nil, err
		}
		var matches []bool
		for _, set := range sets(c["fields"]) {
			matches = append(matches, selector.Matches(fields.Set(set)))
		}
		return map[string]any{"matches": matches}, nil
	}
}

func objectSelector(object any) (labels.Selector, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	var selector *metav1.LabelSelector
	if err := json.Unmarshal(text, &selector); err != nil {
		return nil, err
	}
	return metav1.LabelSelectorAsSelector(selector)
}

func sets(value any) []map[string]string {
	var out []map[string]string
	list, _ := value.([]any)
	for _, item := range list {
		set := map[string]string{}
		for key, value := range item.(map[string]any) {
			set[key] = value.(string)
		}
		out = append(out, set)
	}
	return out
}
