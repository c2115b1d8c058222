"""The file of results keeps the sections that other benchmarks write."""

from bench import results_file


def test_every_section_of_another_benchmark_has_its_place_in_a_new_file() -> None:
    written = results_file.RESULTS.read_text()
    for begin, end in results_file.SECTIONS:
        assert results_file.between(written, begin, end), begin
