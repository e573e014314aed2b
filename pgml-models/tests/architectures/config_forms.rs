//! Older forms of `config.json` mean the same; what is not known is refused by name.

use pgml_core::ErrorKind;
use pgml_core::text::Tokens;
use pgml_models::device::Placement;
use serde_json::{Value, json};

use crate::golden::{assert_close, config, folder, load, load_model, run};

/// The configuration of a golden with other values; null takes a field away.
fn changed(name: &str, changes: &Value) -> Value {
    let mut config = config(&folder(name));
    let fields = config.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("an object") {
        match value {
            Value::Null => fields.remove(name),
            value => fields.insert(name.clone(), value.clone()),
        };
    }
    config
}

#[test]
fn configurations_of_older_releases_mean_the_same() {
    let cases = [
        (
            "gemma3",
            json!({"layer_types": null, "rope_parameters": null, "rope_theta": 1e6, "rope_local_base_freq": 1e4,
                "_sliding_window_pattern": 2}),
        ),
        (
            "modernbert",
            json!({"layer_types": null, "rope_parameters": null, "global_attn_every_n_layers": 3,
                "global_rope_theta": 160_000.0, "local_rope_theta": 10_000.0}),
        ),
        (
            "llama",
            json!({"rope_parameters": null, "rope_theta": 500.0, "rope_scaling": {"type": "linear", "factor": 1.3},
                "head_dim": null}),
        ),
        ("mistral", json!({"rope_parameters": null, "layer_types": null, "rope_theta": 10_000.0})),
        ("qwen2_windows", json!({"rope_parameters": null, "layer_types": null, "rope_theta": 10_000.0})),
        ("qwen3", json!({"rope_parameters": null, "layer_types": null, "rope_theta": 10_000.0})),
        ("deberta_v3", json!({"pos_att_type": "P2C | c2p"})),
    ];
    for (name, changes) in cases {
        let golden = load(&folder(name), &Placement::cpu());
        let model = load_model(&folder(name), &changed(name, &changes), &Placement::cpu()).expect(name);
        for (sequence, want) in golden.sequences.iter().zip(&golden.hidden) {
            assert_close(&run(&*model, &[sequence], 1), want, name);
        }
    }
}

#[test]
fn names_of_tensors_and_of_fields_need_not_be_of_one_release() {
    // The authors' tensors under the configuration that transformers writes.
    let parameters = json!({"rope_type": "linear", "factor": 8_f64.powf(0.25), "rope_theta": 4800.0});
    let gte = json!({"model_type": "gte", "rope_parameters": parameters, "rope_scaling": null, "rope_theta": null});
    for (name, config) in
        [("nomic_bert_original", changed("nomic_bert", &json!({}))), ("gte_original", changed("gte_original", &gte))]
    {
        let golden = load(&folder(name), &Placement::cpu());
        let model = load_model(&folder(name), &config, &Placement::cpu()).expect(name);
        for (sequence, want) in golden.sequences.iter().zip(&golden.hidden) {
            assert_close(&run(&*model, &[sequence], 1), want, name);
        }
    }
}

#[test]
fn the_goldens_notice_every_field_that_changes_a_number() {
    let one_term = json!({"pos_att_type": "c2p", "share_att_key": true});
    for (name, changes) in [
        ("bert", json!({"hidden_act": "gelu_new"})),
        ("bert", json!({"layer_norm_eps": 1e-2})),
        ("albert", json!({"hidden_act": "relu"})),
        ("mpnet", json!({"pad_token_id": 2})),
        ("deberta_v3", one_term),
        ("deberta_v3", json!({"max_position_embeddings": 12})),
        ("deberta_v2_conv", json!({"conv_act": "tanh"})),
        ("modernbert", json!({"local_attention": 6})),
        ("modernbert", json!({"layer_types": null, "global_attn_every_n_layers": 2})),
        ("nomic_bert_original", json!({"rotary_emb_base": 900.0})),
        ("nomic_bert_original", json!({"activation_function": "geglu"})),
        ("gte_original", json!({"rope_scaling": {"type": "ntk", "factor": 7.0}})),
        ("jina_bert", json!({"feed_forward_type": "reglu"})),
        ("t5", json!({"relative_attention_max_distance": 20})),
        ("t5_gated", json!({"feed_forward_proj": "gated-silu"})),
        ("mistral", json!({"sliding_window": 5})),
        ("qwen2_windows", json!({"max_window_layers": 0, "layer_types": null})),
        ("qwen2_both_sides", json!({"is_causal": true})),
        ("qwen3", json!({"rope_parameters": {"rope_type": "default", "rope_theta": 9000.0}})),
        ("gemma3", json!({"sliding_window": 8})),
        ("gemma3", json!({"query_pre_attn_scalar": 11})),
        ("gemma3", json!({"use_bidirectional_attention": false})),
    ] {
        let golden = load(&folder(name), &Placement::cpu());
        let model = load_model(&folder(name), &changed(name, &changes), &Placement::cpu()).expect(name);
        let differs = |(sequence, want): (&Tokens, &Vec<f32>)| {
            run(&*model, &[sequence], 1).iter().zip(want).any(|(a, b)| (a - b).abs() > 1e-4)
        };
        assert!(golden.sequences.iter().zip(&golden.hidden).any(differs), "{name} {changes} changes nothing");
    }
}

#[test]
fn values_that_would_compute_something_else_are_refused_by_name() {
    for (name, changes, field) in [
        ("bert", json!({"position_embedding_type": "relative_key"}), "position_embedding_type \"relative_key\""),
        ("bert", json!({"hidden_act": "mish"}), "mish"),
        ("jina_bert", json!({"feed_forward_type": "original"}), "feed_forward_type \"original\""),
        ("nomic_bert_original", json!({"prenorm": true}), "prenorm true"),
        ("nomic_bert_original", json!({"num_experts": 8}), "num_experts 8"),
        ("nomic_bert_original", json!({"rotary_scaling_factor": 2}), "rotary_scaling_factor 2"),
        ("gte_original", json!({"logn_attention_scale": true}), "logn_attention_scale true"),
        ("gte_original", json!({"rope_scaling": {"type": "mrope", "factor": 2.0}}), "\"mrope\""),
        ("deberta_v2_plain", json!({"norm_rel_ebd": "batch_norm"}), "norm_rel_ebd \"batch_norm\""),
        ("deberta_v2_conv", json!({"conv_groups": 2}), "conv_groups 2"),
        ("qwen3", json!({"rope_parameters": null, "rope_scaling": {"rope_type": "proportional"}}), "\"proportional\""),
        ("qwen3", json!({"layer_types": ["linear_attention", "full_attention"]}), "linear_attention"),
        ("gemma3", json!({"attn_logit_softcapping": 50.0}), "attn_logit_softcapping 50.0"),
        ("t5", json!({"feed_forward_proj": "maxout"}), "maxout"),
    ] {
        let error = load_model(&folder(name), &changed(name, &changes), &Placement::cpu()).err().expect(name);
        assert_eq!(error.kind(), ErrorKind::NotSupported, "{name} {changes}: {}", error.message());
        assert!(error.message().contains(field), "{name} {changes}: {}", error.message());
    }
}

#[test]
fn impossible_shapes_are_errors() {
    for (name, changes) in [
        ("bert", json!({"num_attention_heads": 5})),
        ("bert", json!({"num_attention_heads": 0})),
        ("bert", json!({"vocab_size": 60})),
        ("albert", json!({"num_hidden_groups": 0})),
        ("albert", json!({"num_hidden_layers": 1_000_000_000})),
        ("modernbert", json!({"num_attention_heads": 32})),
        ("nomic_bert_original", json!({"n_head": 32})),
        ("t5", json!({"num_heads": 0})),
        ("qwen3", json!({"num_key_value_heads": 3})),
        ("qwen3", json!({"num_attention_heads": 0})),
        ("qwen2_windows", json!({"sliding_window": null})),
        ("deberta_v3", json!({"position_buckets": 9})),
        ("mpnet", json!({"hidden_size": "large"})),
    ] {
        let error = load_model(&folder(name), &changed(name, &changes), &Placement::cpu()).err().expect(name);
        assert_eq!(error.kind(), ErrorKind::Corrupted, "{name} {changes}: {}", error.message());
    }
}
