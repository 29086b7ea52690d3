"""Text to meaning: training data, the embedded classifier, its guard against negation, evaluation.

Takes text and a language (training data as Rasa 3.1 YAML), gives NluResult through the port NluEngine.
May import: language, media, ports, config, logs, metrics, model, errors.
"""
