"""Analytic SQL: one fresh, governed DataFusion context per request over Arrow exports of the reader's own relations."""
